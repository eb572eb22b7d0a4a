"""Whole runs under a key: what they say is in no byte that lies anywhere, and a new key stops none of them."""

import base64
import json
import os
import signal
import sys
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.storage.journal_files import JournalFiles
from grammar.errors import MissingKey
from grammar.messages.names import WORKFLOW, journal_folder
from grammar.messages.reports import RunLine
from grammar.messages.run_bundle import Bundle
from runtime.encryption import failure_text
from runtime.encryption.sealing import SealedJournals
from runtime.runs import finding, pruning, run_list, runs
from runtime.storage.converter import data_converter
from runtime.storage.document_files import FileDocuments
from runtime.storage.stored_documents import StoredDocuments
from runtime.storage.stored_files import list_files
from tests.e2e.conftest import ROOT, Desk, EndedProcess, Scripted, end
from tests.security.keys import encryption, given
from tests.support.browser import Browser
from tests.support.dev_server import DevServer
from tests.support.s3_server import S3
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint
from tests.support.waiting import until, until_async

KEYS = "TASKFLOW_ENCRYPTION_KEYS"
K1: dict[str, Any] = {KEYS: given("k1")}
K2: dict[str, Any] = {KEYS: given("k2")}
BOTH: dict[str, Any] = {KEYS: given("k2", "k1")}
SPY = "spycatcher"
# Texts and script outputs below and above what a run, a payload and a history keep.
FLOW = f"""
globals: {{motive: {SPY}-global}}
taskflow:
  - task:
      name: {SPY}-task
      id: items
      run: echo '["{SPY}-item-1", "{SPY}-item-2"]'
  - task:
      id: agents
      over: outputs.items
      repeat_prompt: true
      agents: [./{SPY}-brief.yaml]
      toolboxes: [./{SPY}-box.yaml]
      capture: response
      user_prompt: "{SPY}-prompt {{{{ result }}}} {{{{ globals.motive }}}}"
  - task:
      id: large
      run: |
        for n in $(seq 30000); do printf '{SPY}-output '; done
  - task:
      agents: [./{SPY}-brief.yaml]
      user_prompt: "{{{{ outputs.large }}}}"
  - task:
      name: failing
      must_complete: true
      run: |
        echo {SPY}-error >&2; test -e {{mended}}
"""
RULES = [
    Reply(when=Match(turn=0, prompt="prompt"), tool_calls=[Call(name="lookup", arguments={"key": f"{SPY}-result"})]),
    Reply(text=f"{SPY}-answer"),
]


def write_flow(desk: Desk, name: str = "flow.yaml") -> None:
    server = {"kind": "stdio", "command": sys.executable, "args": [f"{ROOT}/tests/support/mcp_server.py"]}
    desk.write(f"{SPY}-box.yaml", json.dumps({"server_params": server}))
    desk.write(f"{SPY}-brief.yaml", f"personality: You are {SPY}-brief.\n")
    desk.write(name, FLOW.replace("{mended}", str(desk.folder / "mended")))


def forms(word: str) -> list[bytes]:
    """The word, and how its inner part looks in base64, wherever it begins."""
    shifted = (base64.b64encode(b"x" * shift + word.encode())[4:-4] for shift in range(3))
    return [word.encode(), word.encode("utf-16-le"), *shifted]


def telling(contents: dict[str, bytes]) -> list[str]:
    """The names of those that tell the word, by name or by content."""
    return [name for name, content in contents.items() if any(form in name.encode() + content for form in forms(SPY))]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def address(desk: Desk) -> str:
    return f"127.0.0.1:{json.loads((desk.state / 'server.json').read_text())['port']}"


def test_what_is_looked_for_would_be_found() -> None:
    for shift in range(3):
        hidden = base64.b64encode(b"y" * shift + f"{SPY}-item".encode())
        assert telling({"a": hidden, f"b-{SPY}": b"", "c": b"nothing"}) == ["a", f"b-{SPY}"]


def test_no_byte_tells(desk: Desk, scripted: Scripted) -> None:
    """In the state folder, the database with its log, and what Temporal's command shows; while it runs, and after."""
    desk.env |= {KEYS: given("k1"), "TASKFLOW_NAMES": "off", "TMPDIR": str(desk.folder / "tmp")}
    (desk.folder / "tmp").mkdir()
    write_flow(desk, f"{SPY}.yaml")
    endpoint = scripted(RULES)
    worker = desk.worker()
    ended = desk.run(f"{SPY}.yaml", "--json")
    assert (ended.code, ended.json["parked"]["task"]) == (1, "failing"), ended.err
    assert f"{SPY}-output" in ended.json["outputs"]["large"]
    assert [f"{SPY}-result" in one.tool_result for one in endpoint.requests].count(True) == 2
    shown = desk.temporal("workflow", "show", "-w", ended.json["run_id"], "-o", "json", address=address(desk))
    described = desk.temporal("workflow", "describe", "-w", ended.json["run_id"], address=address(desk))
    listed = desk.temporal("workflow", "list", "-o", "json", address=address(desk))
    assert telling({"show": shown.encode(), "describe": described.encode(), "list": listed.encode()}) == []
    assert len(shown) > 50_000
    now = files(desk.state)
    assert {"temporal.db-wal", "temporal.db"} <= {Path(name).name for name in now}
    assert len([name for name in now if name.endswith(".jsonl")]) == 3
    assert len([name for name in now if "documents" in name]) == 1
    assert telling(now) == []
    desk.kill_all()
    assert worker.poll() is not None
    assert telling(files(desk.state)) == []


def test_no_byte_of_a_bucket_tells(remote: Desk, s3: S3, scripted: Scripted) -> None:
    desk = remote
    desk.env |= {KEYS: given("k1"), "TASKFLOW_PAYLOAD_S3": f"s3://{s3.bucket}/flows", **s3.env}
    write_flow(desk)
    scripted(RULES)
    desk.worker("--task-queue", "taskflow")
    ended = desk.run("flow.yaml", "--json")
    assert (ended.code, ended.json["parked"]["task"]) == (1, "failing"), ended.err
    assert f"{SPY}-output" in ended.json["outputs"]["large"]
    objects = s3.objects()
    assert {name.split("/")[1] for name in objects} == {"v0", "journals", "documents"}
    assert telling(objects) == []
    shown = desk.temporal(
        "workflow", "show", "-w", ended.json["run_id"], "-o", "json", address=desk.env["TEMPORAL_ADDRESS"]
    )
    assert telling({"show": shown.encode()}) == []
    again = desk.run("reencrypt", "--json", **BOTH)
    assert (again.code, again.json["failed"]) == (0, {}), again.err
    assert set(again.json["written"]) == {"payload", "document", "journal"}


# Keys that are new, and keys that are missing


CAREFUL = """
taskflow:
  - task:
      id: careful
      agents: [./brief.yaml]
      toolboxes: [./box.yaml]
      capture: response
      user_prompt: Count.
"""


@pytest.fixture
def waiting(desk: Desk, scripted: Scripted) -> ScriptedEndpoint:
    """A run under the key k1 whose agent is between two turns: its call waits for a yes, and no worker is there."""
    server = {"kind": "stdio", "command": sys.executable, "args": [f"{ROOT}/tests/support/mcp_server.py"]}
    desk.write("box.yaml", json.dumps({"server_params": server, "confirm": ["count"]}))
    desk.write("flow.yaml", CAREFUL)
    call = Call(name="count", arguments={"path": str(desk.folder / "count"), "text": "a"})
    endpoint = scripted([Reply(when=Match(turn=0), tool_calls=[call]), Reply(text="done")])
    worker = desk.worker(**K1)
    assert desk.run("flow.yaml", "--id", "night", "--detach", **K1).code == 0
    status = ("workflow", "count", "--query", "TaskflowStatus='waiting_approval'")
    until(lambda: "Total: 1" in desk.temporal(*status, address=address(desk)))
    worker.kill()
    return endpoint


def test_a_missing_key_stops_a_run_and_a_new_one_does_not(desk: Desk, waiting: ScriptedEndpoint) -> None:
    worker = desk.popen("worker.py", **K2)
    assert worker.stderr
    assert "serving task queue" in worker.stderr.readline()
    approve = ("--name", "approve", "--input", '"task-1-call-1"')  # Temporal's command sends it in plain, as ever
    desk.temporal("workflow", "signal", "-w", "night", *approve, address=address(desk))
    line = worker.stderr.readline()  # one, without a traceback
    assert "the key 'k1', and TASKFLOW_ENCRYPTION_KEYS has k2; add that key, behind the newest" in line
    worker.send_signal(signal.SIGTERM)
    end(worker)
    assert desk.run("reencrypt", **BOTH).out == "journals: 1 encrypted anew with the key k2, 0 had it already\n"
    ended = desk.run("resume", "night", "--json", **BOTH)
    assert (ended.code, ended.json["outputs"]) == (0, {"careful": "done"}), ended.err
    assert len(waiting.requests) == 2  # what the journal held under the older key was not asked again
    journals = [path.read_text() for path in (desk.state / "payloads/journals").glob("*/*.jsonl")]
    lines = [base64.b64decode(json.loads(line)["sealed"]) for text in journals for line in text.split()]
    assert (len(lines) > 3, [line for line in lines if b"k2" not in line[:100]]) == (True, [])
    told_without = desk.run("manifest", "night", **K2)
    assert (told_without.code, told_without.err.count("\n"), "the key 'k1'" in told_without.err) == (2, 1, True)


FLOW_OF_NOTHING = Bundle(name="nothing", source="nothing.yaml", hash="0" * 64, tasks=[])


async def test_who_has_no_key_is_told_which(dev_server: DevServer) -> None:
    with_key, without = [
        await Client.connect(dev_server.address, data_converter=data_converter(None, encryption(*names)))
        for names in (("k1",), ())
    ]
    sealed = await runs.start(with_key, FLOW_OF_NOTHING, f"sealed-{uuid.uuid4().hex}", "nobody")
    plain = await runs.start(without, FLOW_OF_NOTHING, f"plain-{uuid.uuid4().hex}", "nobody")

    async def seen() -> dict[str, RunLine] | None:
        lines = {line.id: line for line in await run_list.listed(without, run_list.RunFilter(limit=1000))}
        return lines if {sealed.id, plain.id} <= set(lines) else None

    lines = await until_async(seen)
    assert (lines[plain.id].flow, lines[plain.id].standing.waits) == ("nothing.yaml", [])
    (why,) = lines[sealed.id].standing.waits
    assert why.startswith("this was encrypted with the key 'k1', and TASKFLOW_ENCRYPTION_KEYS is not set")
    with pytest.raises(MissingKey, match="the key 'k1'"):
        await finding.bundle_of(without, sealed.id)
    assert await finding.bundle_of(with_key, plain.id) == FLOW_OF_NOTHING
    for handle in (sealed, plain):
        await handle.terminate()


async def test_what_is_in_use_is_found_in_what_is_encrypted(dev_server: DevServer, tmp_path: Path) -> None:
    """Else `prune` would remove it: what a run names, what that names in turn, and what a journal names."""
    folder, run_id, key = tmp_path / "kept", f"open-{uuid.uuid4().hex}", "0123456789ab"
    documents = StoredDocuments(FileDocuments(folder / "documents"), encryption("k1"), tmp_path)

    async def document(text: str) -> str:
        (tmp_path / "new").write_text(text)
        return await documents.add(tmp_path / "new")

    nested, in_journal, of_nobody = [await document(text) for text in ("nested", "in the journal", "of nobody")]
    outer = await document(f"it names {nested}")
    client = await Client.connect(dev_server.address, data_converter=data_converter(folder, encryption("k1")))
    given_to_it = [{"stored": outer}, {"key": key}, "x" * 300_000]
    run = await client.start_workflow(WORKFLOW, args=given_to_it, id=run_id, task_queue="nobody")
    journals = SealedJournals(JournalFiles(folder / "journals"), encryption("k1").codec, True)
    await journals.append(f"{journal_folder(run_id, key)}/task-1", f'{{"text":"{in_journal}"}}')
    for file in list_files(folder):
        os.utime(file.path, (1_000_000, 1_000_000))
    found = await pruning.find(client, folder, timedelta(days=1000))
    assert [file.key for file in found.left_over] == [of_nobody]
    assert len(list_files(folder)) == 6
    await run.terminate()


async def test_why_an_attempt_failed_is_told() -> None:
    converter, failure = data_converter(None, encryption("k1")), Failure()
    await converter.encode_failure(ApplicationError("the reason", type="ShellFailed"), failure)
    assert failure.message == "Encoded failure"
    before = failure.SerializeToString()
    assert (await failure_text.opened(converter, failure)).message == "the reason"
    assert failure.SerializeToString() == before
    failure.ClearField("encoded_attributes")  # so the server does with one that is too long for it
    assert (await failure_text.opened(converter, failure)).message == failure_text.CUT
    plain = Failure(message="in plain")
    assert await failure_text.opened(converter, plain) == plain


def test_the_web_ui_and_the_command_read_by_the_codec_server(desk: Desk, tmp_path: Path) -> None:
    desk.env[KEYS] = given("k1")
    desk.write("flow.yaml", f"taskflow:\n  - task: {{id: x, name: the name, run: echo {SPY}}}\n")
    worker = desk.worker()
    ended = desk.run("flow.yaml", "--id", "seen", "--json")
    assert ended.json["outputs"] == {"x": f"{SPY}\n"}, ended.err
    exports = exported(desk.run("env"))
    token = (desk.state / "codec-token").read_text()
    told = ["--codec-endpoint", exports["TEMPORAL_CODEC_ENDPOINT"], "--codec-auth", f"Bearer {token}"]
    where = exports["TEMPORAL_ADDRESS"]
    assert SPY in desk.temporal("workflow", "result", "-w", "seen", *told, address=where)
    assert SPY not in desk.temporal("workflow", "show", "-w", "seen", "-o", "json", address=where)
    with Browser(tmp_path / "browser") as browser:
        browser.open(ended.json["url"])
        until(lambda: SPY in browser.evaluate("document.body.innerText"), 60)
        assert any("/decode" in request for request in browser.requested)
    worker.send_signal(signal.SIGTERM)
    end(worker)
    until(lambda: not serves_codec(desk))


def serves_codec(desk: Desk) -> bool:
    for process in desk.processes():
        with suppress(psutil.Error):  # it has ended
            if "runtime.codec_server.serving" in process.cmdline():
                return True
    return False


def exported(printed: EndedProcess) -> dict[str, str]:
    assert 'export TEMPORAL_CODEC_AUTH="Bearer $(cat ' in printed.err
    return dict(line.removeprefix("export ").split("=", 1) for line in printed.out.splitlines())
