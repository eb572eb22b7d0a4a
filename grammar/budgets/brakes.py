"""Whether a fan-out that fails goes on: a row of failures tells that the next branch would fail, too."""

from collections import Counter
from collections.abc import Sequence

from grammar.documents.budget import StopAfter
from grammar.messages.continue_as_new import FailureStreak
from grammar.messages.reports import Failure

ALIKE_IN_A_ROW = 5
"""Unless a task says otherwise, it is stopped after so many failures that say the same, and nothing else before."""
SHARE_FROM = 10
"""How many branches must have ended before a share of failures counts."""
SHOWN = 200
"""Characters of a failure's message that are shown."""


def longer(streak: FailureStreak, failure: Failure) -> FailureStreak:
    """Return the streak with one more failure in it."""
    is_alike = (streak.type, streak.message) == (failure.type, failure.message)
    return FailureStreak(
        failed=streak.failed + 1,
        alike=streak.alike + 1 if is_alike else 1,
        type=failure.type,
        message=failure.message,
    )


def why_stopped(
    rule: StopAfter | None, streak: FailureStreak, failures: Sequence[Failure], done: int, total: int
) -> str | None:
    """Return why no further branch starts, with what the failures have in common; None: the task goes on.

    `failures`: of all branches that failed. `done`, `total`: how many branches succeeded, and how many there are.
    """
    reason = _by_rule(rule, streak, len(failures), done) if rule else _by_default(streak, done)
    if reason is None:
        return None
    left = total - done - len(failures)
    return f"{reason}: {_in_common(failures)}. {left:,} of {total:,} branches have not ended"


def _by_default(streak: FailureStreak, done: int) -> str | None:
    if done or streak.alike < ALIKE_IN_A_ROW:
        return None
    return f"{streak.alike} branches failed alike, one after the other, before any succeeded"


def _by_rule(rule: StopAfter, streak: FailureStreak, failed: int, done: int) -> str | None:
    ended = failed + done
    if rule.failures is not None and failed >= rule.failures:
        return f"{failed} branches failed (stop_after: {rule.failures})"
    if rule.in_a_row is not None and streak.failed >= rule.in_a_row:
        return f"{streak.failed} branches failed in a row (stop_after: {rule.in_a_row})"
    if rule.share is not None and ended >= SHARE_FROM and failed / ended >= rule.share:
        return f"{failed} of {ended} branches failed (stop_after: a share of {rule.share:g})"
    return None


def _in_common(failures: Sequence[Failure]) -> str:
    """Return the type and text that most of them have, else the type, and how many have it."""
    (kind, message), count = Counter((failure.type, failure.message) for failure in failures).most_common(1)[0]
    if count == 1 and len(failures) > 1:
        (kind, count), message = Counter(failure.type for failure in failures).most_common(1)[0], failures[-1].message
    line = message.partition("\n")[0]
    shown = line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"
    how_many = "all of them" if count == len(failures) else f"{count} of them"
    return f"{how_many} with {kind}, {shown}"
