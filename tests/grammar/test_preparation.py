"""Conditions, items, prompts, and what is written down of them (specification sections 3 to 6)."""

from typing import Any

import pytest

from grammar.documents.models import Personality, Task
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import PrepareRequest, TemplateContext
from grammar.messages.activity_results import PAGE_BRANCHES, Page
from grammar.preparing.preparation import RenderFailure, page
from grammar.preparing.system_prompt import system_prompt

ENV = {"SECRET": "hunter2-long", "SHORT": "ab", "EMPTY": ""}


def prepare(prompt: str = "", *, result: Any = None, offset: int = 0, **fields: Any) -> Page | RenderFailure:
    outputs, globals_ = fields.pop("outputs", {}), fields.pop("globals", {})
    secrets, prompts = fields.pop("secrets", []), fields.pop("prompts", {})
    text = result if isinstance(result, str) or result is None else str(result).replace("'", '"')
    request = PrepareRequest(
        task=Task(user_prompt=prompt, **fields),
        surroundings=TemplateContext(globals=globals_, env=fields.get("env", {}), key="k"),
        outputs=outputs,
        result=ToolResult(tool_name="t", text=text) if text is not None else None,
        secrets=secrets,
        prompts=prompts,
        offset=offset,
    )
    return page(request, ENV)


def prompts(**fields: Any) -> list[str]:
    found = prepare(**fields)
    assert isinstance(found, Page), found
    return [branch.prompt for branch in found.branches]


def fault(**fields: Any) -> tuple[str, str]:
    found = prepare(**fields)
    assert isinstance(found, RenderFailure), found
    return found.kind.__name__, found.message


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{{ globals.a }}", "1"),
        ("{{ globals.m.items }}", "2"),
        ("{{ globals.m.keys() | list }}", "['items']"),
        ("{{ globals.m }}", "{'items': 2}"),
        ("{{ globals.m | tojson }}", '{"items": 2}'),
        ("{{ globals.t }}", "{{ never }}"),
        ("line\n", "line"),
        ("two\n\n", "two\n"),
        ("{% if true %}\nx\n{% endif %}\ny", "x\ny"),
        ("  {% if true %}x{% endif %}", "x"),
        ("{{ env('MISSING', 'd') }}", "d"),
        ("[{{ env('MISSING', required=False) }}]", "[]"),
        ("{{ env('SECRET') }}", "⟦env:SECRET:k⟧"),
        ("{{ env('SHORT') }}", "⟦env:SHORT:k⟧"),
        ("{{ env('SECRET') ~ '!' }}", "⟦env:SECRET:k⟧!"),
        ("{% if env('SHORT') == 'ab' %}same{% endif %}", "same"),
        ("{% include 'p' %}", "a prompt of 1"),
        ("{{ outputs.x.y }}", "z"),
    ],
)
def test_prompts(template: str, rendered: str) -> None:
    given = {"a": 1, "m": {"items": 2}, "t": "{{ never }}"}
    included = {"p": "a prompt of {{ globals.a }}"}
    assert prompts(prompt=template, globals=given, outputs={"x": {"y": "z"}}, prompts=included) == [rendered]


@pytest.mark.parametrize(
    ("fields", "kind", "says"),
    [
        ({"prompt": "{{ globals.no }}"}, "TemplateFailed", "user_prompt: undefined name: "),
        ({"prompt": "{{ env('NO') }}"}, "TemplateFailed", "environment variable NO is not set"),
        ({"prompt": "{{ ''.__class__.__mro__ }}"}, "TemplateFailed", "user_prompt: "),
        ({"prompt": "{{ 1 / 0 }}"}, "TemplateFailed", "ZeroDivisionError"),
        ({"prompt": "{{ result }}"}, "TemplateFailed", "'result' is undefined"),
        ({"if_": "1 +"}, "TemplateFailed", "if: "),
        ({"over": "outputs.no"}, "TemplateFailed", "over: undefined name"),
        ({"over": "5"}, "NotIterable", "not over a number: 5"),
        ({"over": "'text'"}, "NotIterable", "not over text"),
        ({"over": "none"}, "NotIterable", "not over null"),
        ({"repeat_prompt": True}, "NoValue", "nothing to repeat over"),
        ({"repeat_prompt": True, "result": "x" * 300}, "NotIterable", f"is not JSON: '{'x' * 200}'"),
        ({"repeat_prompt": True, "result": '"text"'}, "NotIterable", "not over text"),
        ({"env": {"A": "{{ env('NO') }}"}, "prompt": "x"}, "TemplateFailed", "env.A: environment variable NO"),
    ],
)
def test_faults(fields: dict[str, Any], kind: str, says: str) -> None:
    found, message = fault(**fields)
    assert found == kind
    assert says in message


@pytest.mark.parametrize(
    ("condition", "runs"),
    [("globals.a == 1", True), ("globals.a == 2", False), ("outputs.gone.x", False), ("[]", False), ("'no'", True)],
)
def test_condition(condition: str, runs: bool) -> None:
    found = prepare(prompt="x", if_=condition, globals={"a": 1})
    assert isinstance(found, Page)
    assert (found.skipped is None) is runs


def test_items_of_any_kind() -> None:
    found = prepare(prompt="{{ result }}", over="[1, none, false, 'a', {'k': 2}]")
    assert isinstance(found, Page)
    assert [branch.item for branch in found.branches] == [1, None, False, "a", {"k": 2}]
    assert prompts(prompt="{{ result }}", over="{'a': 1, 'b': 2}") == ["a", "b"]
    assert prompts(prompt="{{ result }}", over="[1, 2, 3] | select('odd')") == ["1", "3"]
    assert prompts(prompt="{{ result.x }}", repeat_prompt=True, result='[{"x": 1}, {"x": 2}]') == ["1", "2"]
    assert prompts(over="[]") == []


def test_pages() -> None:
    items = list(range(PAGE_BRANCHES + 50))
    first, second = (prepare(prompt="{{ result }}", over=str(items), offset=n) for n in (0, PAGE_BRANCHES))
    assert isinstance(first, Page) and isinstance(second, Page)
    assert (first.total, len(first.branches), len(second.branches)) == (len(items), PAGE_BRANCHES, 50)
    assert second.branches[0].index == PAGE_BRANCHES


def test_a_fault_in_a_late_item_shows_on_the_first_page() -> None:
    items = [{"x": 1}] * (PAGE_BRANCHES + 1) + [{}]
    assert fault(prompt="{{ result.x }}", over=str(items))[0] == "TemplateFailed"


def test_secrets_of_earlier_results_stay_references() -> None:
    held = {"x": "it was ⟦env:SECRET:k⟧", "y": "a made up ⟦env:SECRET:other⟧"}
    found = prepare(prompt="{{ outputs.x | upper }}/{{ outputs.x }}/{{ outputs.y }}", outputs=held, secrets=["SECRET"])
    assert isinstance(found, Page)
    assert found.branches[0].prompt == "IT WAS HUNTER2-LONG/it was ⟦env:SECRET:k⟧/a made up ⟦env:SECRET:other⟧"
    assert found.secrets == ["SECRET"]


def test_task_env_comes_first() -> None:
    assert prompts(prompt="{{ env('A') }}", env={"A": "{{ globals.x }}!"}, globals={"x": 1}) == ["1!"]


def test_system_prompt_says_only_what_there_is() -> None:
    full = system_prompt(Personality(personality="P", task="T"), ["hint", ""])
    order = [
        full.index(part)
        for part in ("P", "# Important Guidelines", "# Additional Guidelines\nhint", "# Primary Task\nT")
    ]
    assert order == sorted(order)
    assert system_prompt(Personality(), []).startswith("# Important Guidelines")
    assert "Additional" not in system_prompt(Personality(), [""])
