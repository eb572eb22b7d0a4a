"""How each engine is started on a case, in a scratch directory of its own."""

import os
import socket
import sys
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.compare import existing
from benchmarks.compare.cases import FLOWS, FlowCase
from benchmarks.compare.program import ProgramResult, background, run
from benchmarks.compare.scripted import NameMatchingEndpoint
from benchmarks.descendants import Descendants

ROOT = existing.ROOT
SERVER = ROOT / "tests" / "support" / "mcp_server.py"
DEFAULT_MODEL = "default-model"
HEADER = 'seclab-taskflow-agent:\n  version: "1.0"\n  filetype: {}\n'


class Engine(ABC):
    """Run cases on an engine, with a scripted endpoint of its own. Use it as a context manager."""

    name: str

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.endpoint = NameMatchingEndpoint()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.endpoint)
        prepare(self.scratch, self._stack, self.endpoint.url)
        self._start()
        return self

    def __exit__(self, *raised: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stack.close()

    def run(self, case: FlowCase, seconds: float = 90) -> ProgramResult:
        """Run the case to its end, at most so many `seconds`. Its model requests are then in `endpoint.requests`."""
        self.endpoint.start_anew(case.rules)
        return run(self.command(case), self.variables(case), self.scratch, seconds, case.typed)

    def variables(self, case: FlowCase) -> dict[str, str]:
        """Return the environment of the engine's process."""
        meant = {"$SCRATCH": str(self.scratch), "$ENDPOINT": self.endpoint.url.removesuffix("/v1")}
        given = dict(case.env)
        for word, value in meant.items():
            given = {name: text.replace(word, value) for name, text in given.items()}
        return self.env(case) | given

    def _start(self) -> None:  # noqa: B027 - one of the two needs nothing
        """Start what is to run beside all cases."""

    @abstractmethod
    def command(self, case: FlowCase) -> list[str]:
        """Return the command line that runs the case."""

    @abstractmethod
    def env(self, case: FlowCase) -> dict[str, str]:
        """Return the environment of the process, without the case's own variables."""

    def _env(self, first: Path) -> dict[str, str]:
        path = os.pathsep.join([str(self.scratch / "bin"), str(first), os.environ["PATH"]])
        return {
            "PATH": path,
            "HOME": str(self.scratch),
            "TERM": "dumb",
            "AI_API_ENDPOINT": self.endpoint.url,
            "AI_API_TOKEN": "compare",
            "COPILOT_DEFAULT_MODEL": DEFAULT_MODEL,
        }


class ExistingEngine(Engine):
    """Run cases on the engine that these files were written for."""

    name = "existing"

    def command(self, case: FlowCase) -> list[str]:
        return [str(existing.ENGINE.python), "-m", "seclab_taskflow_agent", *_asked(case), *case.args]

    def env(self, case: FlowCase) -> dict[str, str]:
        return self._env(existing.ENGINE.bin) | {"LOG_DIR": str(self.scratch), "PYTHONWARNINGS": "ignore"}


class OurEngine(Engine):
    """Run cases on ours. A worker and its server run beside them; a case with variables of its own brings its own.

    `processes`: that worker, its server, and what is started after them.
    """

    name = "ours"

    def _start(self) -> None:
        self.processes = Descendants()
        worker = [sys.executable, str(ROOT / "worker.py")]
        self._stack.enter_context(background(worker, self._state("warm"), self.scratch, until="serving task queue"))

    def command(self, case: FlowCase) -> list[str]:
        return [sys.executable, str(ROOT / "starter.py"), *_asked(case), *case.args]

    def env(self, case: FlowCase) -> dict[str, str]:
        return self._state(f"cold-{case.flow}" if case.env else "warm")

    def _state(self, name: str) -> dict[str, str]:
        ours = {"TASKFLOW_STATE_DIR": str(self.scratch / name), "TASKFLOW_PATH": str(self.scratch)}
        return self._env(Path(sys.executable).parent) | ours


def _asked(case: FlowCase) -> list[str]:
    """What is asked of either engine, which have the same options."""
    if case.personality:
        return ["--personality" if case.long_names else "-p", case.personality, case.prompt or ""]
    return ["--taskflow" if case.long_names else "-t", f"flows.{case.flow}"]


def prepare(scratch: Path, stack: ExitStack, url: str) -> None:
    """Write the flows, the test server as a command, and the documents of servers over HTTP, which are started."""
    scratch.mkdir()
    (scratch / "flows").symlink_to(FLOWS)
    command = scratch / "bin" / "compare-tools"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SERVER}" "$@"\n')
    command.chmod(0o755)
    made = scratch / "made"
    made.mkdir()
    settings = f"{{endpoint: {url.removesuffix('/v1')}/elsewhere, token: ELSEWHERE_KEY}}"
    text = f"models: {{elsewhere: elsewhere-id}}\nmodel_settings: {{elsewhere: {settings}}}\n"
    (made / "elsewhere.yaml").write_text(HEADER.format("model_config") + text)
    for kind in ("sse", "streamable"):
        port = free_port()
        (made / f"{kind}.yaml").write_text(HEADER.format("toolbox") + over_http(kind, port, HEADERS))
        serve = [sys.executable, str(SERVER), "--more", "--transport", kind, "--port", str(port)]
        stack.enter_context(background(serve, dict(os.environ), ROOT))
        wait_for_port(port)
    port = free_port()
    started = f"  command: compare-tools\n  args: [--transport, streamable, --port, '{port}']\n"
    (made / "started.yaml").write_text(HEADER.format("toolbox") + over_http("streamable", port, started))


HEADERS = """  headers:
    X-Compare: "{{ env('COMPARE_HEADER') }}"
  optional_headers:
    X-Gone: "{{ env('COMPARE_MISSING') }}"
"""


def over_http(kind: str, port: int, more: str) -> str:
    path = "sse" if kind == "sse" else "mcp"
    return f"server_params:\n  kind: {kind}\n  url: http://127.0.0.1:{port}/{path}\n{more}"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_for_port(port: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
