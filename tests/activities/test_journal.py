"""What an agent run has paid for is not paid for again: attempts and legs that go on from a journal."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agents import UserError
from mcp.types import CallToolResult, TextContent
from openai.types.responses import Response
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from activities.process.secrets import Secrets
from activities.storage.journal import SKIPPED, Journal
from activities.storage.journal_files import JournalFiles
from activities.storage.journal_heartbeat import MAX_CHARACTERS, HeartbeatJournal
from grammar.errors import ModelUnavailable, StorageFailed, ToolboxFailed
from grammar.messages.activity_results import FailureDetails, Leg
from tests.activities.boxes import box, disk_of
from tests.activities.conftest import KEY, Bench
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

RESPONSE = Response(
    id="r",
    created_at=0,
    model="m",
    object="response",
    output=[],
    tool_choice="none",
    tools=[],
    parallel_tool_calls=False,
)


@pytest.fixture
def kept(bench: Bench, tmp_path: Path) -> Bench:
    """A bench whose journals are files."""
    bench.journals = JournalFiles(tmp_path / "journals")
    return bench


def counting(path: Path, turns: int) -> list[Reply]:
    """The model counts, one call a turn."""
    calls = [Call(name="count", arguments={"path": str(path), "text": str(turn)}) for turn in range(turns)]
    return [*(Reply(when=Match(turn=turn), tool_calls=[call]) for turn, call in enumerate(calls)), Reply(text="done")]


def failing_at(turn: int, rules: list[Reply]) -> list[Reply]:
    return [Reply(when=Match(turn=turn), times=1, status=500), *rules]


async def test_the_next_attempt_goes_on_from_the_turn_it_was_in(
    kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.rules = failing_at(30, counting(tmp_path / "count", 40))
    fields: dict[str, Any] = {"toolboxes": box(), "max_turns": 50}
    with pytest.raises(ApplicationError) as failed:
        await kept.agent(**fields)
    (details,) = failed.value.details
    assert isinstance(details, FailureDetails)
    assert (details.usage.requests, details.usage.input_tokens, details.attempts) == (30, 300, 1)
    assert [entry.kind for entry in details.said[-2:]] == ["tool_call", "tool_output"]
    result = await kept.agent(**fields)
    assert (tmp_path / "count").read_text().split() == [str(turn) for turn in range(40)]
    assert len(endpoint.requests) == 42  # 41 turns, and the one that failed
    assert (result.usage.requests, result.usage.input_tokens, len(result.tool_results)) == (41, 410, 40)
    assert result.said[-1].text == "done"


async def test_a_run_whose_result_got_lost_asks_nothing_again(kept: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(text='{"a": 1}')]
    outputs = {"type": "object", "required": ["b"]}
    first = await kept.agent(capture="response")
    assert await kept.agent(capture="response") == first
    with pytest.raises(ApplicationError, match="does not fit"):
        await kept.agent(capture="response", outputs=outputs)
    assert len(endpoint.requests) == 2  # the answer of before, and one repair


async def test_another_activity_has_its_own(kept: Bench, endpoint: ScriptedEndpoint) -> None:
    await kept.agent()
    await kept.agent(journal="task-9")
    assert len(endpoint.requests) == 2


async def test_no_secret_is_in_it(
    kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2-long")
    endpoint.rules = [
        Reply(when=Match(turn=0), tool_calls=[Call(name="environ", arguments={"name": "BOX"})]),
        Reply(when=Match(turn=1), times=1, status=500),
        Reply(when=Match(tool_result="hunter2-long"), text="I saw hunter2-long"),
    ]
    fields: dict[str, Any] = {"toolboxes": box(env={"BOX": "{{ env('SECRET') }}"}), "secrets": ["SECRET"]}
    with pytest.raises(ApplicationError):
        await kept.agent("use it", **fields)
    assert (await kept.agent("use it", **fields)).tool_results[0].text == f"⟦env:SECRET:{KEY}⟧"
    (journal,) = (tmp_path / "journals").rglob("*.jsonl")
    assert "hunter2" not in journal.read_text()
    assert KEY in journal.read_text()


async def test_a_worker_that_stops_begins_no_turn(kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.rules = counting(tmp_path / "count", 2)
    kept.env.worker_shutdown()
    result = await kept.agent(toolboxes=box())
    assert result.leg
    assert (result.leg.reason, result.leg.turns, endpoint.requests) == ("stopped", 0, [])


async def test_without_storage_the_leg_carries_it(bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.rules = [Reply(when=Match(turn=1), times=1, status=429), *counting(tmp_path / "count", 2)]
    leg = (await bench.agent(toolboxes=box())).leg
    assert leg
    assert (leg.reason, leg.turns) == ("rate_limited", 1)
    leg = Leg.model_validate_json(leg.model_dump_json())
    result = await bench.agent(toolboxes=box(), journal="task-1", recorded=leg.recorded)
    assert (tmp_path / "count").read_text().split() == ["0", "1"]
    assert (result.produced, len(endpoint.requests)) == (True, 4)


# Calls that were interrupted


def dying(**fields: Any) -> dict[str, Any]:
    return {"toolboxes": box(**fields), "headless": True}


@pytest.fixture
def interrupted(endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(when=Match(turn=0), tool_calls=[Call(name="die")]), Reply(text="done")]


@pytest.mark.usefixtures("interrupted")
async def test_an_interrupted_call_is_repeated(kept: Bench, endpoint: ScriptedEndpoint) -> None:
    for _ in range(2):
        with pytest.raises(ApplicationError, match="dying as told"):
            await kept.agent(**dying())
    assert len(endpoint.requests) == 1


@pytest.mark.usefixtures("interrupted")
async def test_one_that_may_do_harm_is_asked_about(kept: Bench, endpoint: ScriptedEndpoint) -> None:
    fields = dying(confirm=("die",))
    with pytest.raises(ApplicationError, match="dying as told"):
        await kept.agent(**fields)
    leg = (await kept.agent(**fields)).leg
    assert leg
    assert (leg.reason, [(call.id, call.tool) for call in leg.calls]) == ("unknown_outcome", [("0", "die")])
    with pytest.raises(ApplicationError, match="dying as told"):
        await kept.agent(**fields, outcomes={0: True})
    result = await kept.agent(**fields, outcomes={0: False})
    assert result.tool_results[0].text == SKIPPED
    assert endpoint.requests[-1].tool_result == SKIPPED
    assert len(endpoint.requests) == 2


# The journal itself


async def opened(lines: HeartbeatJournal) -> Journal:
    journal = Journal(lines, "k", Secrets([], KEY))
    await journal.open()
    return journal


async def call(journal: Journal, text: str, tool: str = "t", careful: bool = False) -> str:
    async def make() -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text=text)])

    (part,) = (await journal.call(tool, {"a": 1}, careful, make)).content
    assert isinstance(part, TextContent)
    return part.text


async def test_what_one_writes_that_was_replaced_is_void() -> None:
    lines = HeartbeatJournal([])
    first = await opened(lines)
    assert first.next_response() is None
    await first.record_response(RESPONSE)
    second = await opened(lines)
    await call(first, "of the first")
    third = await opened(lines)
    assert second.next_response() == third.next_response() == RESPONSE
    assert await call(third, "of the third") == "of the third"


async def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path)
    first = Journal(files, "run/task-1", Secrets([], KEY))
    await first.open()
    await call(first, "whole")
    path = tmp_path / "run/task-1.jsonl"
    path.write_text(path.read_text().rstrip("\n") + '\n{"by": "x", "answ')
    second = Journal(files, "run/task-1", Secrets([], KEY))
    await second.open()
    assert await call(second, "again") == "whole"
    assert json.loads(path.read_text().split("\n")[-2])["by"]
    assert path.stat().st_mode & 0o077 == 0


async def test_what_the_agent_was_told_instead_of_a_result_is_kept() -> None:
    async def refuse() -> CallToolResult:
        raise UserError("no")

    lines = HeartbeatJournal([])
    with pytest.raises(UserError, match="no"):
        await (await opened(lines)).call("t", {}, False, refuse)
    with pytest.raises(UserError, match="no"):
        await (await opened(lines)).call("t", {}, True, refuse)


async def test_a_run_that_takes_another_way_is_refused() -> None:
    lines = HeartbeatJournal([])
    await call(await opened(lines), "of t")
    with pytest.raises(ToolboxFailed, match="took another way than before at its call 1, of u"):
        await call(await opened(lines), "of u", tool="u")


async def test_what_leaves_off_ends_the_turn() -> None:
    journal = await opened(HeartbeatJournal([]))
    with pytest.raises(ModelUnavailable):
        journal.leave_off("stopped")
    assert journal.left_off == "stopped"


async def test_what_is_too_large_is_not_carried() -> None:
    carried = HeartbeatJournal(["a"])
    await carried.append("k", "b" * (MAX_CHARACTERS - 1))
    assert len(carried.lines) == 2
    await carried.append("k", "c")
    assert carried.lines == []


async def test_a_disk_that_takes_nothing_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(StorageFailed, match="the journal of the agent run: "):
        await JournalFiles(tmp_path).append("run/task-1", "{}")


@pytest.mark.parametrize("line", [
    '{"by": "w", "answer": 0, "response": []}',
    '{"by": "w", "answer": 0, "response": {"output": null}}',
    '{"by": "w", "answer": 0, "response": {"output": [5]}}',
    '{"by": "w", "answer": {}, "response": {}}',
    '{"by": "w", "unusable": 0, "usage": {"requests": "many"}}',
    '{"by": "w", "call": 0, "tool": "t"}',
    '{"by": "w", "call": 0, "tool": "t", "arguments": [1]}',
    '{"by": "w", "call": [], "tool": "t", "arguments": {}}',
    '{"by": "w", "result": 7, "content": {}}',
    '{"by": "w", "result": {}, "content": {}}',
    '{"by": ["w"]}',
    "[" * 100_000,
    "\x00",
])  # fmt: skip
async def test_a_damaged_line_is_left_out(line: str) -> None:
    journal = await opened(HeartbeatJournal(['{"by": "w"}', line]))
    assert journal.next_response() is None
    assert await call(journal, "made") == "made"


async def test_a_damaged_result_is_not_known() -> None:
    lines = ['{"by": "w"}', '{"by": "w", "call": 0, "tool": "t", "arguments": {"a": 1}}']
    journal = await opened(HeartbeatJournal([*lines, '{"by": "w", "result": 0, "content": {"content": 5}}']))
    with pytest.raises(ToolboxFailed, match="had any effect is not known"):
        await call(journal, "again", careful=True)


async def test_a_line_that_does_not_fit_on_the_disk_is_told(tmp_path: Path) -> None:
    with disk_of(1000), pytest.raises(StorageFailed, match="File too large"):
        await JournalFiles(tmp_path).append("run/task-1", "x" * 2000)


@pytest.mark.parametrize(("attempt", "told"), [(1, False), (3, True)])
async def test_only_the_last_attempt_tells_what_was_said(
    bench: Bench, endpoint: ScriptedEndpoint, attempt: int, told: bool
) -> None:
    """Temporal keeps no more than 4 KB of the failure of an attempt that another one follows."""
    endpoint.rules = [
        Reply(when=Match(turn=0), text="let me see", tool_calls=[Call(name="lookup", arguments={"key": "k"})]),
        Reply(status=500),
    ]
    policy = RetryPolicy(maximum_attempts=3)
    bench.env.info = replace(bench.env.info, retry_policy=policy, attempt=attempt)
    with pytest.raises(ApplicationError) as failed:
        await bench.agent(toolboxes=box())
    (details,) = failed.value.details
    assert isinstance(details, FailureDetails)
    assert (details.attempts, bool(details.said)) == (attempt, told)
