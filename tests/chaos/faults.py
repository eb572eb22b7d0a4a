"""What goes wrong, and when: a schedule from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.house import House, rest
from tests.support.endpoint import ScriptedEndpoint
from tests.support.script import Rule

TURNS_OF_ONE = 1
ALL_AGENTS = 5


@dataclass(frozen=True)
class Fault:
    """`requests`: how many model requests it may cost, at the most. `calls`: tool calls without a recorded result."""

    name: str
    happen: Callable[[House, ScriptedEndpoint], None]
    requests: int
    calls: int


def _worker_killed(house: House, _: ScriptedEndpoint) -> None:
    house.kill_worker()
    house.start_worker()


def _server_killed(house: House, _: ScriptedEndpoint) -> None:
    house.kill_server()
    house.start_server()


def _both_killed(house: House, _: ScriptedEndpoint) -> None:
    house.kill_worker()
    house.kill_server()
    house.start_server()
    house.start_worker()


def _worker_stopped(house: House, _: ScriptedEndpoint) -> None:
    house.stop_worker()
    house.start_worker()


def _mcp_server_killed(house: House, _: ScriptedEndpoint) -> None:
    house.kill_mcp_server()


def _answer(**fields: object) -> Callable[[House, ScriptedEndpoint], None]:
    def happen(_: House, endpoint: ScriptedEndpoint) -> None:
        endpoint.interrupt(Rule.model_validate({"times": 1, **fields}))

    return happen


FAULTS = (
    Fault("worker -9", _worker_killed, ALL_AGENTS, ALL_AGENTS),
    Fault("server -9", _server_killed, ALL_AGENTS, ALL_AGENTS),
    Fault("both -9", _both_killed, ALL_AGENTS, ALL_AGENTS),
    Fault("worker TERM", _worker_stopped, ALL_AGENTS, ALL_AGENTS),
    Fault("429", _answer(status=429, headers={"retry-after": "0.3"}), TURNS_OF_ONE, 0),
    Fault("500", _answer(status=500), TURNS_OF_ONE, 0),
    Fault("drop", _answer(drop="middle", text="half of it"), TURNS_OF_ONE, 0),
    Fault("mcp -9", _mcp_server_killed, 0, ALL_AGENTS),
)


def schedule(seed: int, many: int) -> list[tuple[float, Fault]]:
    """(seconds to wait, what happens then)."""
    chance = random.Random(seed)
    return [(chance.uniform(0.2, 3.0), chance.choice(FAULTS)) for _ in range(many)]


def happen(planned: list[tuple[float, Fault]], house: House, endpoint: ScriptedEndpoint) -> None:
    for seconds, fault in planned:
        rest(seconds)
        fault.happen(house, endpoint)
