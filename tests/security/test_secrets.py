"""Keys of models and what `env()` returned are for use alone: not for values, errors, logs, and other processes."""

import base64
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx2
import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.guardian.client import _start
from activities.process.activity_errors import one_line
from activities.process.secrets import Secrets, mask_all
from activities.process.stdout import PIECE
from activities.storage.journal_files import JournalFiles
from commands.process_edge import run_and_leave
from grammar.errors import UserError
from grammar.templating.redaction import hide, mask, reveal
from grammar.templating.urls_in_texts import bare_urls
from runtime import logs
from runtime.local_server import embedded
from runtime.local_server.locks import acquire
from runtime.local_server.server_record import ServerFiles
from runtime.storage.document_files import FileDocuments
from runtime.storage.stored_documents import StoredDocuments
from temporal_taskflow import launch
from tests.activities.boxes import box, calls
from tests.activities.conftest import KEY, Bench
from tests.security.hostile_http import answering
from tests.support.scripted_endpoint import Call, Reply, ScriptedEndpoint

SECRET = 's3cret key{part}"two/\u00e9+'
TOKEN = "the-key-of-the-tests"
OCTETS = SECRET.encode()

AS_WRITTEN = {
    "plain": SECRET,
    "JSON": json.dumps({"key": SECRET}),
    "JSON, not ASCII": json.dumps({"key": SECRET}, ensure_ascii=False),
    "JSON, as PHP has it": json.dumps(SECRET).replace("/", "\\/"),
    "JSON in a list": json.dumps([f"Bearer {SECRET}!"]),
    "URL": quote(SECRET, safe=""),
    "URL, with /": quote(SECRET),
    "URL, with +": quote_plus(SECRET),
    "a form": urlencode({"a": "b", "key": SECRET}),
    "as JavaScript has it": quote(SECRET, safe="!'()*"),
    **{f"base64 after {before}": base64.b64encode(b"u" * before + OCTETS + b":x").decode() for before in range(4)},
    **{f"base64url {before}": base64.urlsafe_b64encode(b"u" * before + OCTETS).decode() for before in range(3)},
}
HALF_WRITTEN = {
    "by our HTTP library": str(httpx2.URL("http://h/p", params={"key": SECRET})),
    "by our HTTP library, in a path": str(httpx2.URL(f"http://h/{SECRET}")),
    "in small letters": quote(SECRET, safe="").lower(),
    "each character": "".join(f"%{octet:02x}" for octet in OCTETS),
    "one character": SECRET.replace("k", "%6B"),
}


def parts_of(secret: str, size: int = 7) -> list[str]:
    """What must not be left of a secret in a text."""
    return [secret[start : start + size] for start in range(len(secret) - size + 1)]


@pytest.mark.parametrize("text", AS_WRITTEN.values(), ids=AS_WRITTEN)
def test_forms_are_hidden_and_put_back(text: str) -> None:
    said_of: JsonValue = {"said": [text]}
    hidden = hide(said_of, {"SECRET": SECRET}, KEY)
    said = json.dumps(hidden, ensure_ascii=False)
    assert "⟦env:SECRET" in said
    assert text not in said
    assert reveal(hidden, {"SECRET"}, {"SECRET": SECRET}, KEY) == said_of
    masked = mask(text, {"SECRET": SECRET})
    assert "⟦env:SECRET⟧" in masked
    assert not [part for part in parts_of(text.rpartition("u")[2], 12) if part in masked.replace("⟦env:SECRET⟧", "")]


@pytest.mark.parametrize("text", HALF_WRITTEN.values(), ids=HALF_WRITTEN)
def test_percent_encoding_is_hidden_however_much_of_it(text: str) -> None:
    assert "⟦env:SECRET" in hide(f"see {text} there", {"SECRET": SECRET}, KEY)
    assert "s3cret" not in mask(text, {"SECRET": SECRET}).lower()
    assert "%33" not in mask(text, {"SECRET": SECRET})


async def test_a_script_says_the_models_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_TOKEN", TOKEN)
    encoded = base64.b64encode(f"user:{TOKEN}".encode()).decode()
    result = await bench.shell(f"echo {TOKEN}; echo {encoded}")
    assert TOKEN not in result.model_dump_json()
    assert str(result.value).startswith("⟦env:AI_API_TOKEN⟧\ndXNlcjp⟦env:AI_API_TOKEN⟧")
    with pytest.raises(ApplicationError) as caught:
        await bench.shell(f"echo {TOKEN} >&2; exit 3")
    assert caught.value.message == "exit code 3: ⟦env:AI_API_TOKEN⟧"


async def test_what_is_stored_has_no_key(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AI_API_TOKEN", TOKEN)
    documents = FileDocuments(tmp_path)
    bench.documents = StoredDocuments(documents)
    # The key lies across the end of the first piece that is read.
    stored = (await bench.shell(f"printf '%0{PIECE - 7}d' 0; printf %s {TOKEN}")).stored
    assert stored
    text = (await documents.path(stored.key)).read_text()
    assert text == "0" * (PIECE - 7) + "⟦env:AI_API_TOKEN⟧"


async def test_a_model_and_a_tool_say_the_models_key(bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    bench.journals = JournalFiles(tmp_path)
    endpoint.rules = calls(Call(name="environ", arguments={"name": "BOX"}), then=f"It is {TOKEN}")
    result = await bench.agent(toolboxes=box(env={"BOX": f"{TOKEN}"}), capture="response")
    assert (result.value, result.tool_results[0].text) == ("It is ⟦env:AI_API_TOKEN⟧", "⟦env:AI_API_TOKEN⟧")
    assert TOKEN not in result.model_dump_json()
    (journal,) = tmp_path.rglob("*.jsonl")
    assert TOKEN not in journal.read_text()


async def test_a_key_of_a_model_of_its_own(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOTHER_KEY", "key-of-another-model")
    endpoint.rules = [Reply(status=401, message="key-of-another-model is wrong")]
    with pytest.raises(ApplicationError) as caught:
        await bench.agent(model={"token": "ANOTHER_KEY"})
    assert caught.value.message == "401 ⟦env:ANOTHER_KEY⟧ is wrong"


@pytest.mark.parametrize("before", range(480, 500, 3))
def test_no_part_of_a_key_is_left_where_an_error_is_cut(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_TOKEN", TOKEN)
    line = one_line("x" * before + TOKEN + "y" * 100)
    assert not [part for part in parts_of(TOKEN, 5) if part in line]


async def test_an_endpoints_long_error(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(status=400, message="x" * 190 + TOKEN + "y" * 100)]
    with pytest.raises(ApplicationError) as caught:
        await bench.agent()
    assert not [part for part in parts_of(TOKEN, 5) if part in caught.value.message]


URLS = {
    "https://user:pa@ss@host:1/a?key=abc&b=c#token=d": "https://host:1/a?key=…&b=…#token=…",
    "for url 'http://127.0.0.1:1/sse?key=s3cret%20key'!": "for url 'http://127.0.0.1:1/sse?key=…'!",
    "postgres://me:pw@db/x, and (http://h/p?abc)": "postgres://db/x, and (http://h/p?…",
    "https://host/@user?": "https://host/@user?",
    "nothing://": "nothing://",
}


@pytest.mark.parametrize(("text", "told"), URLS.items())
def test_urls_lose_user_and_query(text: str, told: str) -> None:
    assert bare_urls(text) == told


async def test_the_url_of_a_toolbox(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    async with answering([], b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n") as url:
        box_url = url.replace("http://", "http://me:pass@") + "/sse?key=not-of-env"
        with pytest.raises(ApplicationError) as caught:
            await bench.agent(toolboxes=box(kind="sse", url=box_url, command=None, args=()))
    assert "/sse?key=…" in caught.value.message
    assert "not-of-env" not in caught.value.message
    assert "pass" not in caught.value.message


def readable(pid: int) -> bytes:
    """What /proc tells of the variables of a process."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:  # who is not root is not even told
        return b""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_process_of_ours_keeps_its_variables_to_itself() -> None:
    command = launch.command("tests.security.private_child")
    env = os.environ | {"AI_API_TOKEN": TOKEN}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline().decode().split() == ["0", TOKEN]
        assert TOKEN.encode() not in readable(child.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
async def test_a_child_that_needs_no_variables_has_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is passed on: os.environ of this process has the key, and its child's beginning has not."""
    monkeypatch.setenv("AI_API_TOKEN", TOKEN)
    await bench.renderer.warm_up()
    assert bench.renderer._child
    assert TOKEN.encode() not in readable(bench.renderer._child.pid)
    assert launch.bare_environment().keys() <= set(launch.PASSED_ON)


class Started:
    """Stands in for a process that is started."""

    how: dict[str, Any]

    def __init__(self, _: list[str], **how: Any) -> None:
        Started.how = how

    def wait(self) -> int:
        return 0


def test_the_guardian_has_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_TOKEN", TOKEN)
    monkeypatch.setattr("activities.guardian.client.subprocess.Popen", Started)
    _start().close()
    assert "PATH" in Started.how["env"]
    assert TOKEN not in Started.how["env"].values()


def test_the_supervisor_has_no_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_TOKEN", TOKEN)
    monkeypatch.setattr("runtime.local_server.embedded.subprocess.Popen", Started)
    files = ServerFiles(tmp_path)
    with acquire(files.supervisor) as lock:
        embedded._start_supervisor(files, lock)
    assert "PATH" in Started.how["env"]
    assert TOKEN not in Started.how["env"].values()


async def test_a_script_inherits_nothing_that_is_denied(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_REGION", "DB_PASSWORD", "DB_HOST"):
        monkeypatch.setenv(name, name.lower())
    monkeypatch.setenv("TASKFLOW_ENV_DENYLIST", "AWS_*, *_PASSWORD")
    result = await bench.shell("echo $AWS_SECRET_ACCESS_KEY$AWS_REGION$DB_PASSWORD/$DB_HOST")
    assert result.value == "/db_host\n"


def test_a_log_has_no_secret(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_A_RUN", SECRET)
    monkeypatch.setenv("AI_API_TOKEN", TOKEN)
    Secrets(["SECRET_OF_A_RUN"], KEY)
    log = logging.getLogger("tests.of.secrets")
    logs.set_up("tests.of.secrets", debug=False, mask=mask_all)
    log.warning("it was %s", SECRET)
    try:
        raise ValueError(quote(TOKEN))
    except ValueError:
        log.exception("and")
    log.handlers.clear()
    written = capsys.readouterr().err
    assert "it was ⟦env:SECRET_OF_A_RUN⟧" in written
    assert "ValueError: ⟦env:AI_API_TOKEN⟧" in written


def test_an_error_of_the_starter_has_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", TOKEN)
    monkeypatch.setattr("commands.process_edge.leave", lambda code: None)

    def work() -> int:
        raise UserError(f"no server at https://me:pass@host/?key=abc with {TOKEN}")

    run_and_leave(work)
    assert capsys.readouterr().err == "error: no server at https://host/?key=… with ⟦env:TEMPORAL_API_KEY⟧\n"
