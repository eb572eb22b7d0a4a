"""The codec server: whoever has neither its token nor its one page is told nothing."""

import asyncio
import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from commands import codec_server
from grammar.errors import InvalidFlow, UserError
from runtime.codec_server import access, app, serving
from runtime.codec_server.access import Access, configured_token
from runtime.local_server.supervisor import die_with_parent, free_port
from runtime.storage.converter import data_converter
from temporal_taskflow import launch
from tests.security.keys import codec, encryption, given
from tests.support.waiting import until

TOKEN = "token-of-the-tests"
UI = "http://localhost:8233"
LARGE = "canary " * 50_000
HERE = ("127.0.0.1", 1)


class CodecRequest:
    """A codec server that serves, and how it is asked."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.converter = data_converter(folder, encryption("k1"))

    async def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json_format.MessageToJson(Payloads(payloads=body)).encode()
        async with httpx2.AsyncClient(trust_env=False, timeout=20) as client:
            return await client.post(f"http://127.0.0.1:{self.port}/{path}", content=content, headers=headers)

    async def ask(self, path: str, payloads: list[Payload]) -> list[Payload]:
        answer = await self.post(path, payloads, Authorization=f"Bearer {TOKEN}")
        assert answer.status_code == 200, answer.text
        return list(json_format.Parse(answer.text, Payloads()).payloads)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodecRequest]:
    """The process that the supervisor starts beside the embedded server."""
    state, port = tmp_path_factory.mktemp("state"), free_port(0)
    env = {"TASKFLOW_STATE_DIR": str(state), "TASKFLOW_CODEC_TOKEN": TOKEN}
    process = subprocess.Popen(
        launch.command("runtime.codec_server.serving", str(port), UI),
        env=os.environ | env | {"TASKFLOW_ENCRYPTION_KEYS": given("k2", "k1")},
        preexec_fn=die_with_parent(),
    )

    def answers() -> bool:
        assert process.poll() is None
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(answers)
        yield CodecRequest(port, state / "payloads")
    finally:
        process.terminate()
        assert process.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("path", "headers", "own_user", "status"),
    [
        ("/decode", {"authorization": f"Bearer {TOKEN}"}, False, None),
        ("/decode", {"authorization": TOKEN}, False, None),
        (f"/{TOKEN}/decode", {}, False, None),
        (f"/{TOKEN}/decode", {"origin": UI}, False, None),
        ("/decode", {"origin": UI}, True, None),
        ("/decode", {"origin": UI}, False, 401),
        ("/decode", {}, True, 401),
        ("/decode", {"authorization": "Bearer another"}, True, 401),
        (f"/{TOKEN}x/decode", {}, True, 401),
        (f"/decode/{TOKEN}", {}, True, 401),
        ("/decode", {"origin": "http://localhost:8234"}, True, 403),
        ("/decode", {"origin": "null"}, True, 403),
        ("/decode", {"origin": ""}, True, 403),
        (f"/{TOKEN}/decode", {"origin": "https://evil.example"}, True, 403),
    ],
)
def test_who_may_ask(
    path: str, headers: dict[str, str], own_user: bool, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_is_own", lambda *_: True)
    assert Access(TOKEN, UI, own_user).refuses(path, headers, HERE, HERE) == status


def test_without_an_origin_no_page_may_ask() -> None:
    told = {"authorization": TOKEN}
    assert Access(TOKEN).refuses("/decode", told, HERE, HERE) is None
    assert [Access(TOKEN).refuses("/decode", told | {"origin": page}, HERE, HERE) for page in (UI, "null")] == [
        403,
        403,
    ]


def test_where_the_kernel_does_not_tell_a_page_needs_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_TCP", Path("/nowhere"))
    assert Access(TOKEN, UI, own_user=True).refuses("/decode", {"origin": UI}, HERE, HERE) == 401


async def test_another_user_of_this_machine_is_refused(server: CodecRequest) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    command = [
        sys.executable, "-c",
        "import os, http.client, encodings.idna; os.setgid(65534); os.setuid(65534)\n"
        f"asking = http.client.HTTPConnection('127.0.0.1', {server.port})\n"
        f"asking.request('POST', '/decode', '{{}}', {{'Origin': '{UI}'}}); print(asking.getresponse().status)",
    ]  # fmt: skip
    asked = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "401"


async def test_nobody_says_for_another_where_he_is(server: CodecRequest) -> None:
    forwarded = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Port": "4", "Forwarded": "for=10.1.2.3:4"}
    assert (await server.post("decode", [], Origin=UI, **forwarded)).status_code == 200


async def test_a_browser_is_told_which_page_may_ask(server: CodecRequest) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{server.port}/decode"
        mine = await client.options(url, headers={"Origin": UI, **asked})
        others = await client.options(url, headers={"Origin": "https://evil.example", **asked})
        read = await client.get(url, headers={"Authorization": TOKEN})
    assert (mine.status_code, mine.headers["access-control-allow-origin"]) == (200, UI)
    assert (others.status_code, others.headers.get("access-control-allow-origin")) == (400, None)
    assert read.status_code == 405


async def test_what_is_encrypted_is_shown(server: CodecRequest) -> None:
    (payload,) = await server.converter.encode(["canary"])
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b'"plain"')
    shown = await server.ask("any/namespace/decode", [payload, plain])
    assert [one.data for one in shown] == [b'"canary"', b'"plain"']
    (encoded,) = await server.ask("encode", [plain])
    assert encoded.metadata["encryption-key-id"] == b"k2"
    assert await codec("k2").decode([encoded]) == [plain]


async def test_what_is_stored_is_brought_where_it_is_asked_for(server: CodecRequest) -> None:
    large, small = await server.converter.encode([LARGE, "small"])
    assert [len(one.data) > 300_000 for one in await server.ask("decode", [large, small])] == [True, False]
    kept = await server.ask("decode?preserveStorageRefs=true", [large, small])
    assert (kept[0], kept[1].data) == (large, b'"small"')
    (brought,) = await server.ask("download", [large])
    assert brought.data.startswith(b'"canary canary')
    refused = await server.post("download", [small], Authorization=TOKEN)
    assert (refused.status_code, refused.text) == (400, "all payloads must be storage references")


async def test_a_missing_key_is_told(server: CodecRequest) -> None:
    payloads = await codec("k9").encode([Payload(data=b"x")])
    refused = await server.post("decode", payloads, Authorization=TOKEN)
    assert (refused.status_code, "the key 'k9'" in refused.text) == (400, True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("decode", b"[" * 100_000, 400),
        ("decode", b"no json", 400),
        ("decode", b"\xff", 400),
        ("decode", b'{"payloads": [{"data": 1}]}', 400),
        ("elsewhere", b"{}", 404),
    ],
)
async def test_what_is_no_question_is_told(server: CodecRequest, path: str, body: bytes, status: int) -> None:
    assert (await server.post(path, body, Authorization=TOKEN)).status_code == status


@pytest.mark.parametrize(
    ("told", "status"), [({"Content-Length": str(app.LARGEST + 1)}, 413), ({"Transfer-Encoding": "chunked"}, 411)]
)
def test_what_is_asked_is_bounded(server: CodecRequest, told: dict[str, str], status: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as asking:
        asking.putrequest("POST", "/decode")
        for name, value in {"Authorization": TOKEN, **told}.items():
            asking.putheader(name, value)
        asking.endheaders()  # nothing is read of what would follow
        assert asking.getresponse().status == status


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(tmp_path))
    token = configured_token()
    assert (len(token) > 30, configured_token()) == (True, token)
    assert stat.S_IMODE((tmp_path / "codec-token").stat().st_mode) == 0o600
    monkeypatch.setenv("TASKFLOW_CODEC_TOKEN", "one-of-my-own-choice")
    assert configured_token() == "one-of-my-own-choice"


@pytest.mark.parametrize(
    "token", ["short", "with a space in the middle", "with/a/slash/in/it", "ümläute-im-token-hier"]
)
def test_a_token_of_ones_own_is_hard_to_guess_and_fits_into_urls(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_CODEC_TOKEN", token)
    with pytest.raises(UserError, match="must have 16 characters or more"):
        configured_token()


def test_without_keys_there_is_no_server() -> None:
    with pytest.raises(UserError, match="no key to decode with: set TASKFLOW_ENCRYPTION_KEYS"):
        serving.encryption()


def test_a_port_that_is_taken_is_told(server: CodecRequest) -> None:
    with pytest.raises(UserError, match=rf"cannot listen at 127\.0\.0\.1:{server.port}: Address already in use"):
        serving.listener("127.0.0.1", server.port)


@pytest.mark.parametrize("origin", ["ui.example.com", "ftp://ui.example.com", "https://ui.example.com/path"])
def test_an_origin_is_that_of_a_page(origin: str) -> None:
    with pytest.raises(InvalidFlow, match=r"write https://HOST or http://HOST:PORT"):
        codec_server.codec_server(origin=origin)
