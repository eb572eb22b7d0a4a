"""What is kept of runs that have ended, and how they are found and removed."""

import os
import subprocess
import sys
import time
from pathlib import Path

from runtime.storage.stored_files import YOUNG, list_files
from tests.e2e.conftest import Desk, Scripted, end
from tests.support.scripted_endpoint import Reply

FLOW = """
taskflow:
  - task: {name: ask, agents: [./brief.yaml], user_prompt: hello}
  - task: {name: large, run: "head -c 300000 /dev/urandom | base64 -w0"}
"""


def test_runs_are_kept_found_and_removed(desk: Desk, scripted: Scripted) -> None:
    scripted([Reply(text="hi")])
    desk.write("flow.yaml", FLOW)
    worker = desk.worker()
    assert desk.run("flow.yaml", "--id", "one").code == 0

    assert "runs that have ended are kept for 90 days" in desk.run("list").err
    told = desk.run("status", "one")
    assert (told.code, "at 127.0.0.1:" in told.out, " kB of stored values" in told.out) == (0, True, True)

    exports = desk.run("env").out
    assert exports.splitlines()[1] == "export TEMPORAL_NAMESPACE=default"
    script = f"{exports}\ntemporal workflow describe -w one"
    path = f"{Path(sys.executable).parent}:{desk.env['PATH']}"
    shell = subprocess.run(
        ["bash", "-ec", script], check=True, env=desk.env | {"PATH": path}, capture_output=True, text=True
    )
    assert "COMPLETED" in shell.stdout.upper()

    would = desk.run("prune", "--older", "1ms", "--dry-run")
    assert "would remove one, ended " in would.out
    assert "would remove 1 run and 1 file: " in would.out
    assert "1 files of no other run are younger than a day" in would.err
    for file in list_files(desk.state / "payloads"):
        os.utime(file.path, (time.time() - YOUNG - 60,) * 2)
    assert [run["id"] for run in desk.run("list", "--json").json["runs"]] == ["one"]
    removed = desk.run("prune", "--older", "1ms", "--json")
    assert removed.code == 0, removed.err
    assert (removed.json["runs"], removed.json["files"], removed.json["bytes"] > 400_000) == (["one"], 2, True)
    assert list_files(desk.state / "payloads") == []
    worker.terminate()
    end(worker)
