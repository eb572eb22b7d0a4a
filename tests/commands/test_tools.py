"""`starter.py` asked for something instead of a run, as a whole process: exit codes, streams, and no key anywhere."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from runtime.local_server.supervisor import free_port
from tests.commands.conftest import Starter

KEY = "hunter2-a-key"
FLOW = "taskflow:\n  - task: {agents: [who], user_prompt: x, model: small}\n"


@contextmanager
def offering(*ids: str) -> Iterator[str]:
    """An endpoint that answers `GET /v1/models` to who has the key. Its url."""

    class OfferingHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/v1/models" and self.headers["Authorization"] == f"Bearer {KEY}"
            body = json.dumps({"data": [{"id": one} for one in ids]}).encode()
            self.send_response(200 if known else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), OfferingHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_lint_tells_json_of_files_of_which_one_is_missing(here: Path, starter: Starter) -> None:
    (here / "odd.yaml").write_text("taskflow:\n  - task: {run: ls, asnyc: true}\n")
    ended = starter("lint", "--json", "odd.yaml", "gone.yaml")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["exit_code"], document["files"]) == (2, 2, 2)
    assert {(one["severity"], one["file"], one["line"]) for one in document["problems"]} == {
        ("error", "gone.yaml", 0),
        ("warning", "odd.yaml", 2),
    }
    assert json.loads(starter("lint", "--json", "odd.yaml").stdout)["exit_code"] == 0
    strict = starter("lint", "--json", "--strict", "odd.yaml")
    assert (strict.returncode, [one["severity"] for one in json.loads(strict.stdout)["problems"]]) == (2, ["error"])
    assert not (here / "state").exists()


def test_the_models_of_a_flow_with_another_model_config(here: Path, starter: Starter) -> None:
    (here / "flow.yaml").write_text(FLOW)
    (here / "who.yaml").write_text("personality: x\n")
    (here / "other.yaml").write_text("models: {small: from-the-other}\n")
    told = {"AI_API_ENDPOINT": f"http://user:{KEY}@127.0.0.1:1/v1", "AI_API_TOKEN": KEY}  # nobody is asked
    ended = starter("models", "flow.yaml", "-m", "other", "--json", **told)
    assert ended.returncode == 0, ended.stderr
    (model,) = json.loads(ended.stdout)["models"]
    assert (model["name"], model["model"], model["endpoint"]) == ("small", "from-the-other", "http://127.0.0.1:1/v1")
    assert KEY not in ended.stdout + ended.stderr


def test_what_the_endpoint_offers_and_what_where_it_is_gone(here: Path, starter: Starter) -> None:
    with offering("b", "a") as url:
        ended = starter("models", "--json", AI_API_ENDPOINT=url, AI_API_TOKEN=KEY)
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["ids"], document["error"]) == (0, ["a", "b"], None)
    assert KEY not in ended.stdout + ended.stderr
    gone = f"http://127.0.0.1:{free_port(0)}/v1"
    ended = starter("models", AI_API_ENDPOINT=gone, AI_API_TOKEN=KEY)
    assert ended.returncode == 2
    assert f"{gone}/models cannot be reached: ConnectError" in ended.stderr
    assert KEY not in ended.stdout + ended.stderr


@pytest.mark.parametrize("words", [["models", "gone.yaml"], ["--lint", "gone.yaml", "--nonsense"]])
def test_bad_input_is_json_too(starter: Starter, words: list[str]) -> None:
    ended = starter(*words, "--json")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["status"], document["exit_code"]) == (2, "bad_input", 2)
    assert document["problems"]
