"""The embedded server is its owner's alone: nobody else has its worker execute anything, and no web page reaches it."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec, WorkflowHandle

from grammar.documents.models import Task
from grammar.errors import EmbeddedServerFailed
from grammar.messages.names import TASK_QUEUE, WORKFLOW
from grammar.messages.run_bundle import Bundle
from runtime.local_server import embedded, ui_front
from runtime.local_server.locks import acquire
from runtime.local_server.server_process import listens, start_time
from runtime.local_server.server_record import ServerFiles, ServerRecord
from runtime.local_server.supervisor import free_port
from runtime.storage.converter import data_converter
from tests.security.owner import failure, first_run
from tests.support.browser import Browser
from tests.support.waiting import until

EVIL = {"Origin": "http://evil.example.com"}


@dataclass
class Served:
    """An embedded server and a worker. `log`: what the worker prints; `pwned`: the file that runs would make."""

    record: ServerRecord
    address: str
    log: Path
    pwned: Path

    @property
    def url(self) -> str:
        return self.record.ui_url

    @property
    def token(self) -> str:
        return self.record.ui_token

    def ports(self) -> list[int]:
        """All on which the server listens."""
        connections = psutil.Process(self.record.pid).net_connections("tcp4")
        return [one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN]

    def flow(self) -> Bundle:
        return Bundle(name="evil", source="evil.yaml", tasks=[Task(name="t", run=f"id > {self.pwned}")], hash="h")

    async def assert_refused(self, run: WorkflowHandle[Any, Any]) -> None:
        assert "not signed by the owner of this worker" in str(await failure(run))
        until(lambda: f"run '{run.id}' is refused" in self.log.read_text())
        assert not self.pwned.exists()

    async def client(self) -> Client:
        return await Client.connect(self.record.address, data_converter=data_converter(None))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    files = ServerFiles(folder / "state")
    files.state.mkdir(mode=0o700)
    ServerRecord(pid=0, supervisor_pid=0, port=free_port(0), ui_port=free_port(0)).write(files.record)
    log = folder / "worker.log"
    root = Path(__file__).parents[2]
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, root / "worker.py"], cwd=folder, env=env | {"TASKFLOW_STATE_DIR": str(files.state)},
            stdin=subprocess.DEVNULL, stderr=output,
        )  # fmt: skip
    until(lambda: b"serving" in log.read_bytes(), 60)
    (address,) = re.findall(r"Web UI (\S+)", log.read_text())
    record = ServerRecord.read(files.record)
    assert record
    yield Served(record, address, log, folder / "pwned")
    worker.terminate()
    worker.wait()


# Starting a run


def body(flow: Bundle) -> bytes:
    """What the HTTP API takes for a start."""
    payload = data_converter(None).payload_converter.to_payload(flow)
    metadata = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    given = {"metadata": metadata, "data": base64.b64encode(payload.data).decode()}
    return json.dumps({
        "workflowType": {"name": WORKFLOW}, "taskQueue": {"name": TASK_QUEUE}, "requestId": str(uuid.uuid4()),
        "input": {"payloads": [given]},
    }).encode()  # fmt: skip


async def test_the_http_api_answers_nobody(served: Served) -> None:
    run_id = str(uuid.uuid4())
    answers = {}
    for port in served.ports():
        if port != served.record.port and port != inner(served):
            answers[port] = post(f"http://127.0.0.1:{port}/api/v1/namespaces/default/workflows/{run_id}", served)
    assert 403 in answers.values()
    assert not [status for status in answers.values() if status is not None and status < 400]
    client = await served.client()
    assert [run.id async for run in client.list_workflows(f'WorkflowId = "{run_id}"')] == []


def post(url: str, served: Served) -> int | None:
    """The status; None where what listens there speaks no HTTP."""
    headers = EVIL | {"Content-Type": "text/plain"}
    try:
        return httpx2.post(url, content=body(served.flow()), headers=headers, trust_env=False).status_code
    except httpx2.TransportError:
        return None


def inner(served: Served) -> int:
    """The port of the server's own UI."""
    (command,) = [psutil.Process(served.record.pid).cmdline()]
    return int(command[command.index("--ui-port") + 1])


async def test_a_run_by_the_uis_own_api_is_refused(served: Served) -> None:
    run_id = str(uuid.uuid4())
    url = f"http://127.0.0.1:{inner(served)}/api/v1/namespaces/default/workflows/{run_id}"
    with httpx2.Client(trust_env=False) as client:
        client.get(f"http://127.0.0.1:{inner(served)}/")
        headers = {"X-CSRF-TOKEN": client.cookies["_csrf"], "Content-Type": "application/json"}
        assert client.post(url, content=body(served.flow()), headers=headers).status_code == 200
    await served.assert_refused((await served.client()).get_workflow_handle(run_id))


async def test_a_run_by_grpc_is_refused(served: Served) -> None:
    client = await served.client()
    run = await client.start_workflow(WORKFLOW, served.flow(), id=str(uuid.uuid4()), task_queue=TASK_QUEUE)
    await served.assert_refused(run)


async def test_a_run_by_a_schedule_is_refused(served: Served) -> None:
    client, name = await served.client(), str(uuid.uuid4())
    start = ScheduleActionStartWorkflow(WORKFLOW, served.flow(), id=name, task_queue=TASK_QUEUE)
    await client.create_schedule(name, Schedule(start, ScheduleSpec()), trigger_immediately=True)
    await served.assert_refused(client.get_workflow_handle(await first_run(client, name)))


# The Web UI


def test_the_worker_tells_the_address_with_the_token(served: Served) -> None:
    assert served.address == f"{served.url}/?token={served.token}"
    assert len(served.token) >= 20
    with httpx2.Client(trust_env=False) as visitor:
        given = visitor.get(f"{served.url}/namespaces/default/workflows/a%2Fb?x=1&token={served.token}")
        assert (given.status_code, given.headers["location"]) == (
            303, f"{served.url}/namespaces/default/workflows/a%2Fb?x=1",
        )  # fmt: skip
        assert "HttpOnly" in given.headers["set-cookie"]
        page = visitor.get(served.url)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")


@pytest.mark.parametrize("given", ["", "wrong", "é"])
def test_without_the_token_nothing_is_told(served: Served, given: str) -> None:
    paths = ("/", "/api/v1/namespaces", "//evil.example.com/", f"/?token={given}", f"/x?token={given}")
    for path in paths:
        cookie = f"taskflow-ui={given}".encode()
        answer = httpx2.get(f"{served.url}{path}", headers={b"Cookie": cookie}, trust_env=False)
        assert (answer.status_code, answer.text) == (403, ui_front.CLOSED)


HERE = {"host": "127.0.0.1:8233"}


@pytest.mark.parametrize(
    ("method", "headers", "is_let_in"),
    [
        ("GET", HERE, True),
        ("GET", {"host": "localhost:18233"}, True),
        ("POST", HERE | {"origin": "http://127.0.0.1:8233"}, True),
        ("POST", HERE | {"origin": "http://127.0.0.1:8233", "sec-fetch-site": "same-origin"}, True),
        ("GET", HERE | {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, True),
        ("GET", HERE | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
        ("GET", {}, False),
        ("GET", {"host": "evil.example.com:8233"}, False),
        ("GET", {"host": "127.0.0.1.evil.example.com"}, False),
        ("GET", {"host": "evil@127.0.0.1.nip.io"}, False),
        ("POST", HERE | {"origin": "http://evil.example.com"}, False),
        ("POST", HERE | {"origin": "null"}, False),
        ("POST", HERE | {"origin": "http://127.0.0.1:9999"}, False),
        ("POST", HERE | {"origin": "https://127.0.0.1:8233"}, False),
        ("GET", HERE | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ("GET", HERE | {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, False),
        ("POST", HERE | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),
    ],
)
def test_pages_of_other_names_are_not_let_in(method: str, headers: dict[str, str], is_let_in: bool) -> None:
    assert ui_front.is_from_here(headers, method) == is_let_in


def test_the_token_is_no_help_to_a_page_of_another_name(served: Served) -> None:
    api = f"{served.url}/api/v1/namespaces"
    with httpx2.Client(cookies={"taskflow-ui": served.token}, trust_env=False) as visitor:
        assert visitor.get(api).status_code == 200
        assert visitor.get(api, headers={"Host": "evil.example.com"}).status_code == 403
        assert visitor.get(f"{served.url}/?token={served.token}", headers=EVIL).status_code == 403
        assert visitor.post(f"{api}/default/workflows/x/cancel", headers=EVIL).status_code == 403


async def test_people_see_their_runs_and_signal_them(served: Served, tmp_path: Path) -> None:
    client = await served.client()
    run = await client.start_workflow("Nobody", id=f"seen {uuid.uuid4()}/é", task_queue="nobody")
    with Browser(tmp_path) as browser:
        browser.open(served.address)
        until(lambda: browser.evaluate("location.href").startswith(f"{served.url}/namespaces/default/workflows"))
        assert served.token not in browser.evaluate("location.href + document.cookie")
        until(lambda: run.id in browser.evaluate("document.body.innerText"))
        assert browser.evaluate(SIGNAL.replace("RUN", run.id)) == 200
    events = [event async for event in run.fetch_history_events()]
    assert any(event.workflow_execution_signaled_event_attributes.signal_name == "pause" for event in events)


SIGNAL = """
fetch('/api/v1/namespaces/default/workflows/' + encodeURIComponent('RUN') + '/signal/pause', {
  method: 'POST', headers: {'X-CSRF-TOKEN': document.cookie.match(/_csrf=([^;]+)/)[1]}, body: '{}',
}).then(answer => answer.status)
"""


def test_no_browser_asks_the_servers_own_ui(served: Served, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        refused = browser.ask("Page.navigate", url=f"http://127.0.0.1:{inner(served)}/")
    assert refused["errorText"] == "net::ERR_UNSAFE_PORT"


def test_nobody_reads_the_token_in_the_list_of_processes(served: Served) -> None:
    supervisor = psutil.Process(served.record.supervisor_pid)
    processes = [supervisor, *supervisor.children(recursive=True)]
    assert len(processes) == 3
    assert not [process for process in processes if served.token in " ".join(process.cmdline())]
    files = list(served.log.parent.joinpath("state").glob("server.*"))
    assert [path for path in files if path.stat().st_mode & 0o077 and served.token in path.read_text()] == []


# What listens on the server's port


def test_a_process_that_listens_is_told_from_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert listens(os.getpid(), port)
        assert not listens(os.getppid(), port)
        assert not listens(2**22 - 1, port)
    assert not listens(os.getpid(), port)


def test_a_server_is_told_from_another_process_of_its_number(served: Served) -> None:
    assert served.record.is_there()
    assert served.record.started == start_time(served.record.pid) > 0
    assert not replace(served.record, started=served.record.started - 1).is_there()
    assert not replace(served.record, pid=os.getpid(), started=0).is_there()


async def test_whoever_took_the_servers_port_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ServerFiles(tmp_path)
    monkeypatch.setattr(embedded, "START_SECONDS", 0.2)
    with acquire(files.supervisor), acquire(files.lease), socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        mine = ServerRecord(os.getpid(), os.getpid(), port, 0, started=start_time(os.getpid()))
        mine.write(files.record)
        assert embedded.join(files).address == f"127.0.0.1:{port}"
        replace(mine, pid=os.getppid(), started=0).write(files.record)
        with pytest.raises(EmbeddedServerFailed, match="does not answer"):
            embedded.join(files)
