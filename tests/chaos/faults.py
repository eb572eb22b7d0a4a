"""What goes wrong, and when: a schedule from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.processes import RunProcesses, let_time_pass
from tests.support.endpoint_replies import Reply
from tests.support.scripted_endpoint import ScriptedEndpoint

ONE_AGENT = 1
ALL_AGENTS = 5


@dataclass(frozen=True)
class Fault:
    """What goes wrong. It may cost `requests` model requests and `calls` tool calls, which are made again."""

    name: str
    inject: Callable[[RunProcesses, ScriptedEndpoint], None]
    requests: int
    calls: int


def _worker_killed(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.kill_worker()
    processes.start_worker()


def _server_killed(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.kill_server()
    processes.start_server()


def _both_killed(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.kill_worker()
    processes.kill_server()
    processes.start_server()
    processes.start_worker()


def _worker_stopped(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.stop_worker()
    processes.start_worker()


def _mcp_server_killed(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.kill_mcp_server()


def _workflow_process_killed(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.kill_member(of_workflows=True)


def _activity_process_killed(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.kill_member(of_workflows=False)


def _template_killed(processes: RunProcesses, _: ScriptedEndpoint) -> None:
    processes.kill_template()


def _answer(**fields: object) -> Callable[[RunProcesses, ScriptedEndpoint], None]:
    def inject(_: RunProcesses, endpoint: ScriptedEndpoint) -> None:
        endpoint.interrupt(Reply.model_validate({"times": 1, **fields}))

    return inject


FAULTS = (
    Fault("worker -9", _worker_killed, ALL_AGENTS, ALL_AGENTS),
    Fault("server -9", _server_killed, ALL_AGENTS, ALL_AGENTS),
    Fault("both -9", _both_killed, ALL_AGENTS, ALL_AGENTS),
    Fault("worker TERM", _worker_stopped, ALL_AGENTS, ALL_AGENTS),
    Fault("429", _answer(status=429, headers={"retry-after": "0.3"}), ONE_AGENT, 0),
    Fault("500", _answer(status=500), ONE_AGENT, 0),
    Fault("drop", _answer(drop="middle", text="half of it"), ONE_AGENT, 0),
    Fault("mcp -9", _mcp_server_killed, 0, ALL_AGENTS),
    Fault("workflows -9", _workflow_process_killed, 0, 0),
    Fault("activities -9", _activity_process_killed, ALL_AGENTS, ALL_AGENTS),
    Fault("template -9", _template_killed, 0, ALL_AGENTS),
)


def schedule(seed: int, many: int) -> list[tuple[float, Fault]]:
    """Return so many faults, each with the seconds to wait before it."""
    chance = random.Random(seed)
    return [(chance.uniform(0.2, 3.0), chance.choice(FAULTS)) for _ in range(many)]


def inject(planned: list[tuple[float, Fault]], processes: RunProcesses, endpoint: ScriptedEndpoint) -> None:
    """Let the faults happen, one after the other, each at its time."""
    for seconds, fault in planned:
        let_time_pass(seconds)
        fault.inject(processes, endpoint)
