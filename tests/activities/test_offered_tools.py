"""Tools as one agent run is offered them, while their servers list now these and now others."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from mcp.types import Tool

from activities.toolboxes.offered_tools import GONE, OfferedTools
from grammar.messages.activity_results import SeenTool

A, B = "a.box", "b.box"


@dataclass
class Server:
    """A server, as far as what it lists goes."""

    tools: list[Tool] = field(default_factory=list)

    def lists(self, *names: str) -> None:
        self.tools = [Tool(name=name, input_schema={"type": "object"}) for name in names]


@pytest.fixture
def servers() -> Any:
    made = {A: Server(), B: Server()}
    made[A].lists("x.y", "both")
    made[B].lists("both")
    return made


def names(offered: OfferedTools, toolbox: str = A) -> list[str]:
    return [tool.name for tool in offered.of(toolbox)]


def test_what_was_called_stays(servers: Any) -> None:
    offered = OfferedTools(servers, ())
    assert offered.note_calls(["x_y", "nobodys"]) == {"x_y": SeenTool(toolbox=A, tool="x.y")}
    assert offered.note_calls(["x_y"]) == {}
    servers[A].lists("new")
    gone = offered.of(A)[-1]
    assert (names(offered), gone.description) == (["new", "x_y"], GONE)
    assert offered.own_name(A, "x_y") == offered.told_name("x_y") == "x.y"
    servers[A].lists("x.y")
    assert [tool.description for tool in offered.of(A)] == [None]


def test_what_was_added_stays(servers: Any) -> None:
    servers[A].lists()
    offered = OfferedTools(servers, ())
    assert offered.note_added() == {}
    servers[A].lists("added")
    assert offered.note_added() == {"added": SeenTool(toolbox=A, tool="added")}
    assert offered.note_added() == {}
    servers[A].lists()
    assert names(offered) == ["added"]


def test_the_next_attempt_gives_the_same_names(servers: Any) -> None:
    """Servers that were started anew may list others, by which names would clash in another way."""
    first = OfferedTools(servers, ())
    first.note_calls(["box_both", "x_y"])
    servers[A].lists("x!y", "both")
    servers[B].lists()
    again = OfferedTools(servers, (), (), first.seen)
    assert names(again) == ["x_y_2", "box_both", "x_y"]
    assert again.own_name(A, "x_y") == "x.y"


def test_of_a_toolbox_that_is_gone_nothing_stays(servers: Any) -> None:
    first = OfferedTools(servers, ())
    first.note_calls(["x_y"])
    assert OfferedTools({B: servers[B]}, (), (), first.seen).seen == {}


@pytest.mark.parametrize("blocked", ["x.y", "x_y", "box_x_y"])
def test_what_is_blocked_by_any_of_its_names(servers: Any, blocked: str) -> None:
    assert names(OfferedTools(servers, [blocked])) == ["box_both"]


def test_one_of_two_is_blocked_by_its_prefix(servers: Any) -> None:
    servers = {"one": servers[A], "two": servers[B]}
    offered = OfferedTools(servers, ["one_both"])
    assert (names(offered, "one"), names(offered, "two")) == (["x_y"], ["both"])


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("x.y", ["x_y"]),
        ("x_y", ["x_y"]),
        ("box_x_y", ["x_y"]),
        ("box_both_2", ["box_both_2"]),
        ("both", ["box_both", "box_both_2"]),
        ("transfer_to_Front/desk", ["transfer_to_front_desk"]),
        ("nobodys", []),
    ],
)
def test_what_a_person_may_mean(servers: Any, name: str, seen: list[str]) -> None:
    assert OfferedTools(servers, (), ["transfer_to_front_desk"]).offered_as(name) == seen
