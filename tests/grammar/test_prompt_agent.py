"""The personality that a prompt names at its start (specification section 3)."""

from pathlib import Path
from typing import Any

import pytest

from grammar.templating.prompt_agent import split
from tests.grammar.test_bundle import flow, here, problems, write

__all__ = ["here"]

KNOWN: dict[str, Any] = {
    "globals": {"who": "a.b", "head": "-p a.b", "more": "-p a.b hi", "n": 7, "map": {"who": "a.c"}, "list": ["a.b"]},
    "inputs": {"who": "x"},
}
PROMPTS = {"with": "-p a.b hi {{ globals.n }}\n", "without": "hi\n", "itself": "{% include 'itself' %}"}


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("-p a.b hi", ("a.b", "hi")),
        ("-p a.b", ("a.b", "")),
        ("-p a.b\nhi\n", ("a.b", "hi\n")),
        ("-p \t a.b \nhi {{ outputs.x }}", ("a.b", "hi {{ outputs.x }}")),
        ("-p a.b {{ outputs.x }}", ("a.b", "{{ outputs.x }}")),
        ("{# why #}-p a.b hi", ("a.b", "hi")),
        ("-p {{ globals.who }} hi", ("a.b", "hi")),
        ("-p a.{{ inputs['who'] }}.{{globals.n}} hi", ("a.x.7", "hi")),
        ("-p {{ globals.map.who }}\n{{ globals.who }}", ("a.c", "{{ globals.who }}")),
        ("{{ globals.head }} hi", ("a.b", "hi")),
        ("{{ globals.head }}", ("a.b", "")),
        ("{% include 'with' %}!", ("a.b", "hi {{ globals.n }}!")),
        ("hi -p a.b", None),
        (" -p a.b hi", None),
        ("-pa.b hi", None),
        ("-p", None),
        ("", None),
        ("{{ globals.more }}", None),
        ("-p {{ globals.gone }} hi", None),
        ("-p {{ globals.list }} hi", None),
        ("-p {{ globals.gone.x }}", None),
        ("-p {{ outputs.x }} hi", None),
        ("-p {{ globals.who | upper }} hi", None),
        ("-p a.b{{ globals.gone }}", None),
        ("-p a.b{{ outputs.x }} hi", None),
        ("{% if globals.n %}-p a.b{% endif %} hi", None),
        ("{% include 'without' %} -p a.b", None),
        ("{% include 'gone' %}", None),
        ("{% include 'itself' %}", None),
    ],
)
def test_the_personality_and_the_rest(template: str, found: tuple[str, str] | None) -> None:
    assert split(template, KNOWN, PROMPTS.get) == found


def test_globals_of_the_command_line_count(here: Path) -> None:
    text = "globals: {a: gone}\ntaskflow:\n  - task: {user_prompt: '-p {{ globals.a }} hi', inputs: {b: 1}}\n"
    (task,) = flow(here, text, overrides={"a": "who"}).bundle.tasks
    assert (task.agents, task.user_prompt) == (("who",), "hi")
    (problem,) = problems(here, text)
    assert problem.startswith("flow.yaml:3: taskflow[0].task.user_prompt: no personality 'gone' found")


def test_an_included_prompt_may_begin_with_it(here: Path) -> None:
    write(here, "lib/asks.yaml", "prompt: |\n  -p who\n  What is {{ globals.x }}?\n")
    text = "globals: {x: 1}\ntaskflow:\n  - task: {user_prompt: \"{% include 'lib.asks' %}\"}\n"
    (task,) = flow(here, text).bundle.tasks
    assert (task.agents, task.user_prompt) == (("who",), "What is {{ globals.x }}?")
