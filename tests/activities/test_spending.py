"""An agent run is held to its allowance: no request more, whatever dies, and each is counted once (section 11)."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.count_usage import CountUsageActivity
from activities.storage.journal_files import JournalFiles
from activities.storage.journal_heartbeat import HeartbeatJournal
from grammar.documents.models import Price
from grammar.messages.activity_requests import CountUsageRequest, ModelSpec
from grammar.messages.activity_results import BranchResult, FailureDetails, Usage
from grammar.messages.budgets import Allowance
from tests.activities.boxes import box, shared_box
from tests.activities.conftest import KEY, Bench
from tests.activities.test_journal import RESPONSE, counting, opened
from tests.support.scripted_endpoint import Match, Reply, ScriptedEndpoint

PRICES = {"m": Price(input=1_000, output=2_000)}
"""A request of 10 tokens in and 5 out costs $0.02."""


def used(requests: int) -> Usage:
    return Usage(requests=requests, input_tokens=10 * requests, output_tokens=5 * requests)


@pytest.fixture
def kept(bench: Bench, tmp_path: Path) -> Bench:
    """A bench whose journals are files."""
    bench.journals = JournalFiles(tmp_path / "journals")
    return bench


async def ask(bench: Bench, tmp_path: Path, **allowance: Any) -> BranchResult:
    given = Allowance(**allowance) if allowance else None
    return await bench.agent(toolboxes=shared_box(), max_turns=50, model=ModelSpec(name="m"), allowance=given)


@pytest.mark.parametrize(
    ("allowance", "requests"),
    [
        ({"requests": 3}, 3),
        ({"tokens": 45}, 3),
        ({"tokens": 46}, 4),
        ({"usd": 0.06, "prices": PRICES}, 3),
        ({"usd": 0.061, "prices": PRICES}, 4),
        ({"time": 1e-6}, 0),
        ({"requests": 9, "tokens": 15}, 1),
    ],
)
async def test_the_leg_ends_where_the_allowance_is_used_up(
    kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path, allowance: dict[str, Any], requests: int
) -> None:
    """Then the next leg goes on from there, with another one."""
    endpoint.rules = counting(tmp_path / "count", 8)
    result = await ask(kept, tmp_path, **allowance)
    assert result.leg
    assert (result.leg.reason, result.leg.turns, len(endpoint.requests)) == ("budget", requests, requests)
    assert (result.usage, result.model) == (used(requests), "m")
    result = await ask(kept, tmp_path, requests=2, since=result.usage)
    assert (result.leg is not None, len(endpoint.requests)) == (True, requests + 2)
    result = await ask(kept, tmp_path)
    assert (result.leg, result.usage, len(endpoint.requests)) == (None, used(9), 9)
    assert (tmp_path / "count").read_text().split() == [str(turn) for turn in range(8)]


async def test_what_an_earlier_attempt_asked_counts(kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    """The attempt that follows on a crash has what is left of the same allowance."""
    endpoint.rules = [Reply(when=Match(turn=2), times=1, status=500), *counting(tmp_path / "count", 8)]
    with pytest.raises(ApplicationError):
        await ask(kept, tmp_path, requests=3)
    result = await ask(kept, tmp_path, requests=3)
    assert (result.leg is not None, result.usage) == (True, used(3))
    assert len(endpoint.requests) == 4, "the one that was refused costs nothing"


async def test_an_answer_that_was_lost_is_paid_for(kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    """It counts as much as the answer that came in its place."""
    endpoint.rules = [Reply(when=Match(turn=1), times=1, drop="middle"), *counting(tmp_path / "count", 8)]
    with pytest.raises(ApplicationError):
        await ask(kept, tmp_path, requests=4)
    result = await ask(kept, tmp_path, requests=4)
    assert result.leg
    assert (result.leg.turns, result.usage, len(endpoint.requests)) == (3, used(4), 4)


async def test_what_was_lost_is_estimated_before_it_is_asked_for_again(
    kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    """Else each kill would let every branch ask once more than it may."""
    endpoint.rules = [Reply(when=Match(turn=0), times=1, drop="middle"), *counting(tmp_path / "count", 8)]
    allowance = {"tokens": 12, "typical": used(1)}
    with pytest.raises(ApplicationError) as failed:
        await ask(kept, tmp_path, **allowance)
    assert FailureDetails.model_validate(failed.value.details[0]).usage == used(1)
    result = await ask(kept, tmp_path, **allowance)
    assert result.leg
    assert (result.leg.reason, result.usage, len(endpoint.requests)) == ("budget", used(1), 1)
    result = await ask(kept, tmp_path, requests=1, since=result.usage)
    assert (result.usage, len(endpoint.requests)) == (used(2), 2)


async def test_a_model_without_a_price_is_not_asked(kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    with pytest.raises(ApplicationError, match="no price is known of the model m") as failed:
        await ask(kept, tmp_path, usd=1)
    assert (failed.value.type, endpoint.requests) == ("ModelAccess", [])


async def test_what_fails_before_its_conversation_tells_what_was_used(
    kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    """As where a server does not start in the second attempt."""
    endpoint.rules = counting(tmp_path / "count", 8)
    await ask(kept, tmp_path, requests=3)
    with pytest.raises(ApplicationError) as failed:
        await kept.agent(toolboxes=box("--start", "exit"), model=ModelSpec(name="m"))
    details = FailureDetails.model_validate(failed.value.details[0])
    assert (failed.value.type, details.usage) == ("ToolboxFailed", used(3))


async def test_the_journal_tells_what_was_used(kept: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.rules = counting(tmp_path / "count", 8)
    await ask(kept, tmp_path, requests=3)
    count = CountUsageActivity(kept.journals).count_usage
    journal = kept.env.info.activity_id
    assert await kept.env.run(count, CountUsageRequest(key=KEY, journal=journal)) == used(3)
    assert await kept.env.run(count, CountUsageRequest(key=KEY, journal="task-9")) == Usage()
    with pytest.raises(ApplicationError, match="no storage keeps journals"):
        await kept.env.run(CountUsageActivity(None).count_usage, CountUsageRequest(key=KEY, journal=journal))


async def test_what_a_void_attempt_asks_is_paid_for_too() -> None:
    """It was thought dead: its answers are of no use, and were given all the same."""
    lines = HeartbeatJournal([])
    late = await opened(lines)
    late.next_response()
    await late.note_request()
    journal = await opened(lines)
    journal.next_response()
    await late.record_response(RESPONSE)
    late.next_response()
    await late.note_request()
    await journal.note_request()
    await journal.record_response(RESPONSE)
    assert journal.usage.requests == 2, "as far as it knew when it began"
    assert (await opened(lines)).usage.requests == 3


async def test_requests_whose_answers_are_lost_are_written_down() -> None:
    lines = HeartbeatJournal([])
    response = RESPONSE.model_copy(update={"usage": None})
    for _ in range(2):
        journal = await opened(lines)
        journal.next_response()
        await journal.note_request()
    await journal.note_refusal()
    journal = await opened(lines)
    journal.next_response()
    await journal.note_request()
    await journal.record_response(response)
    assert (journal.lost.requests, journal.usage.requests) == (1, 2)
    assert (await opened(lines)).usage.requests == 2
