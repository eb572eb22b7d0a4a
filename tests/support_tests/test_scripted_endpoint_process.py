"""The scripted endpoint as a process of its own, as the benchmarks use it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[httpx2.Client]:
    port_file = tmp_path / "port"
    (tmp_path / "rules.yaml").write_text("- {when: {prompt: hi}, times: 1, text: hello}\n- {status: 429}\n")
    command = [sys.executable, "-m", "tests.support.scripted_endpoint", "--rules", str(tmp_path / "rules.yaml")]
    process = subprocess.Popen([*command, "--port-file", str(port_file)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        until(lambda: port_file.exists() and port_file.read_text())
        with httpx2.Client(base_url=f"http://127.0.0.1:{port_file.read_text()}", timeout=10) as client:
            yield client
    finally:
        process.terminate()
        process.wait(10)


def ask(client: httpx2.Client) -> httpx2.Response:
    return client.post("/v1/chat/completions", json=BODY)


def stats(client: httpx2.Client) -> Any:
    return client.get("/_stats").json()


def test_records_and_obeys(served: httpx2.Client) -> None:
    assert ask(served).json()["choices"][0]["message"]["content"] == "hello"
    assert ask(served).status_code == 429
    first, second = served.get("/_requests").json()
    assert (first["rule"], first["status"], first["prompt"], first["path"]) == (0, 200, "hi", "/v1/chat/completions")
    assert (second["rule"], second["status"], second["end"] > second["start"]) == (1, 429, True)
    assert stats(served) == {"requests": 2, "max": 1, "mean": pytest.approx(1)}

    served.post("/_rules", json=[{"text": "replaced"}])
    assert ask(served).json()["choices"][0]["message"]["content"] == "replaced"
    served.post("/_reset")
    assert stats(served)["requests"] == 0
