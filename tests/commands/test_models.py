"""`models`: the models of a flow, of a model config, of the endpoint. No key is ever shown."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from commands import models
from grammar.errors import InvalidFlow
from runtime.local_server.supervisor import free_port
from tests.commands.conftest import Starter
from tests.support.scripted_endpoint import ScriptedEndpoint

KEY = "hunter2-a-key"
CONFIG = """models: {small: gpt-s, large: gpt-l, spare: gpt-x}
model_settings:
  large: {temperature: 1, api_type: responses, endpoint: "https://user:hunter2-pass@models.test/v1", token: LARGE_KEY}
"""
FLOW = """model_config: ./models.yaml
taskflow:
  - task: {name: one, agents: [who], user_prompt: x, model: small}
  - task: {name: both, agents: [who], user_prompt: x, models: [small, large]}
  - task: {name: none, agents: [who], user_prompt: x}
  - task: {name: shell, run: ls, model: small}
"""
Told = tuple[int, str, dict[str, Any]]


@pytest.fixture
def told(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The exit code, the text for people, and the JSON document, if that is asked for."""

    def call(flow: str | None = None, *, json_: bool = False, config: str | None = None) -> Told:
        code = models.models(flow, model_config=config, json=json_)
        captured = capsys.readouterr()
        assert "hunter2" not in captured.out + captured.err
        return code, captured.err if json_ else captured.out + captured.err, json.loads(captured.out) if json_ else {}

    (here / "flow.yaml").write_text(FLOW)
    (here / "models.yaml").write_text(CONFIG)
    (here / "who.yaml").write_text("personality: x\n")
    return call


# Of a flow, and of a model config


def test_the_models_of_a_flow(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_ENDPOINT", "https://here.test/v1")
    monkeypatch.setenv("AI_API_TOKEN", KEY)
    code, text, _ = told("flow.yaml")
    assert code == 0
    rows = [[cell for cell in line.split("  ") if cell] for line in text.splitlines()]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["name", "model", "api", "endpoint", "key", "settings", "tasks"],
        ["small", "gpt-s", "chat_completions", "https://here.test/v1", "AI_API_TOKEN (set)", "none", "one, both"],
        ["large", "gpt-l", "responses", "https://models.test/v1", "LARGE_KEY (not set)", "temperature=1", "both"],
        ["default", "gpt-4.1", "chat_completions", "https://here.test/v1", "AI_API_TOKEN (set)", "none", "none"],
        ["spare", "gpt-x", "chat_completions", "https://here.test/v1", "AI_API_TOKEN (set)", "none", "none"],
    ]


def test_json(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARGE_KEY", KEY)
    code, _, document = told("flow.yaml", json_=True)
    assert code == 0
    assert [one["name"] for one in document["models"]] == ["small", "large", None, "spare"]
    assert document["models"][1] == {
        "name": "large",
        "model": "gpt-l",
        "api_type": "responses",
        "endpoint": "https://models.test/v1",
        "token": "LARGE_KEY",
        "token_is_set": True,
        "settings": {"temperature": 1},
        "tasks": ["both"],
    }
    assert document["models"][0]["endpoint"] is None


def test_another_model_config(told: Callable[..., Told], here: Path) -> None:
    (here / "other.yaml").write_text("models: {small: other-s}\n")
    _, _, document = told("flow.yaml", config="other", json_=True)
    assert [(one["name"], one["model"]) for one in document["models"]] == [
        ("small", "other-s"), ("large", "large"), (None, "gpt-4.1"),
    ]  # fmt: skip
    _, _, document = told(config="other", json_=True)
    assert [(one["name"], one["model"], one["tasks"]) for one in document["models"]] == [("small", "other-s", [])]


def test_a_flow_without_agents(told: Callable[..., Told], here: Path) -> None:
    (here / "shell.yaml").write_text("taskflow:\n  - task: {run: ls}\n")
    assert told("shell.yaml")[:2] == (0, "no task asks a model\n")


@pytest.mark.parametrize(
    ("flow", "config", "says"),
    [
        ("gone.yaml", None, "gone.yaml: no such file"),
        ("flow.yaml", "gone", "command line: -m: no model_config 'gone' found"),
        (None, "gone", "command line: -m: no model_config 'gone' found"),
    ],
)
def test_what_cannot_be_listed(told: Callable[..., Told], flow: str | None, config: str | None, says: str) -> None:
    with pytest.raises(InvalidFlow) as caught:
        told(flow, config=config)
    assert str(caught.value).startswith(says)


# Of the endpoint


@dataclass
class RequestsSeen:
    """What an endpoint was asked for: paths, and the headers of each."""

    url: str
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def answering(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Iterator[RequestsSeen]:
    """An endpoint with one answer."""

    class AnsweringHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.paths.append(self.path)
            asked.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), AnsweringHandler) as server:
        asked = RequestsSeen(f"http://127.0.0.1:{server.server_port}/v1")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def configured(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AI_API_ENDPOINT", url)
    monkeypatch.setenv("AI_API_TOKEN", KEY)


def test_what_the_endpoint_offers(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(body=b'{"data": [{"id": "b"}, {"id": "a", "owned_by": "x"}]}') as asked:
        configured(monkeypatch, asked.url)
        code, text, _ = told()
        assert code == 0
        assert text.splitlines() == [
            f"endpoint  {asked.url}",
            "key       AI_API_TOKEN (set)",
            "model     gpt-4.1, unless a task names one",
            "offered   2",
            "          a",
            "          b",
        ]
        _, _, document = told(json_=True)
        assert document == {
            "model": "gpt-4.1",
            "endpoint": asked.url,
            "token": "AI_API_TOKEN",
            "token_is_set": True,
            "ids": ["a", "b"],
            "error": None,
        }
    assert asked.paths == ["/v1/models"] * 2
    assert asked.headers[0]["authorization"] == f"Bearer {KEY}"


def test_no_proxy_is_asked_for_this_machine_and_a_query_is_kept(
    told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with answering(body=b'{"data": []}') as asked:
        configured(monkeypatch, f"{asked.url}?api-version=1")
        assert told()[0] == 0
    assert asked.paths == ["/v1/models?api-version=1"]


def test_of_the_scripted_endpoint(starter: Starter) -> None:
    with ScriptedEndpoint() as endpoint:
        ended = starter("models", AI_API_ENDPOINT=endpoint.url, AI_API_TOKEN=KEY)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("offered   1\n          scripted\n")
    assert KEY not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b'{"error": "no"}', "answers 401 Unauthorized"),
        (404, b"", "answers 404 Not Found"),
        (500, KEY.encode(), "answers 500 Internal Server Error"),
        (200, b"<html>", "does not answer with a list of models"),
        (200, b"[]", "does not answer with a list of models"),
        (200, b'{"data": [{}]}', "does not answer with a list of models"),
        (200, b'{"data": 5}', "does not answer with a list of models"),
        (200, b"[" * 100_000, "does not answer with a list of models"),
        (200, b" " * (models.MOST_BYTES + 1), "does not answer with a list of models"),
    ],
)
def test_an_endpoint_that_does_not_tell(
    told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, says: str
) -> None:
    with answering(status, body) as asked:
        configured(monkeypatch, asked.url)
        code, text, _ = told()
    assert (code, text.splitlines()[-1]) == (2, f"error: {asked.url}/models {says}")


def test_a_key_is_not_sent_on_to_another_place(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(body=b'{"data": []}') as other, answering(302, headers={"location": f"{other.url}/models"}) as asked:
        configured(monkeypatch, asked.url)
        code, text, _ = told()
    assert (code, other.paths) == (2, [])
    assert "answers 302" in text


def test_an_endpoint_that_is_not_there(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port(0)
    configured(monkeypatch, f"http://user:{KEY}@127.0.0.1:{port}/v1")
    code, text, document = told(json_=True)
    assert code == 2
    assert f"error: http://127.0.0.1:{port}/v1/models cannot be reached: ConnectError" in text
    assert document["ids"] is None


def test_an_endpoint_that_breaks_off(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(body=b"x", headers={"content-length": "100"}) as asked:
        configured(monkeypatch, asked.url)
        code, text, _ = told()
    assert code == 2
    assert f"error: {asked.url}/models cannot be reached: " in text


def test_an_endpoint_that_hangs(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:  # it accepts nothing
        configured(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}")
        code, text, _ = told()
    assert code == 2
    assert "/models cannot be reached: ReadTimeout" in text


@pytest.mark.parametrize("key", ["hunter2\nx", "hunter2-ключ"])
def test_a_key_that_no_header_can_hold(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    with answering(body=b'{"data": []}') as asked:
        monkeypatch.setenv("AI_API_ENDPOINT", asked.url)
        monkeypatch.setenv("AI_API_TOKEN", key)
        code, text, _ = told()
    assert (code, asked.paths) == (2, [])
    assert "error: " in text


def test_a_url_that_is_none(told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    configured(monkeypatch, "no url")
    assert told()[0] == 2


def test_the_embedded_model(told: Callable[..., Told]) -> None:
    code, text, document = told(json_=True)
    assert code == 0
    assert text.splitlines() == ["endpoint  embedded toy model", "key       none"]
    assert document["endpoint"] is None
