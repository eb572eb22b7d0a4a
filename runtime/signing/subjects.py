"""What signatures are about. Whoever signs and whoever looks at a signature have to mean the same."""

import re
from collections.abc import Iterator, Mapping, Sequence

from temporalio.api.common.v1 import Payload

from grammar.messages.names import SETUP_MEMO
from runtime.signing.signature import Subject, digest

# What Temporal appends to a schedule's workflow id.
_SCHEDULED = re.compile(r"(.+)-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.DOTALL)


def run(namespace: str, workflow: str, run_id: str, memo: Mapping[str, Payload]) -> Subject:
    """Return that of a run's input. The memo says in which folder the run's scripts run: that is signed with it."""
    return ("run", namespace, workflow, run_id, _setup(memo))


def scheduled(namespace: str, workflow: str, schedule_id: str, memo: Mapping[str, Payload]) -> Subject:
    """Return that of the input of all runs of a schedule, whose ids begin with `schedule_id`."""
    return ("scheduled", namespace, workflow, schedule_id, _setup(memo))


def of_input(namespace: str, workflow: str, run_id: str, memo: Mapping[str, Payload]) -> Iterator[Subject]:
    """Yield each of which a signature makes the input of the run of that id acceptable."""
    yield run(namespace, workflow, run_id, memo)
    if found := _SCHEDULED.fullmatch(run_id):
        yield scheduled(namespace, workflow, found[1], memo)


def activity(namespace: str, run_id: str, activity_type: str, activity_id: str) -> Subject:
    """Return that of what an activity is asked."""
    return ("activity", namespace, run_id, activity_type, activity_id)


def result(namespace: str, run_id: str, activity_type: str, activity_id: str) -> Subject:
    """Return that of what an activity gives."""
    return ("result", namespace, run_id, activity_type, activity_id)


def heartbeat(namespace: str, run_id: str, activity_type: str, activity_id: str) -> Subject:
    """Return that of what an attempt of an activity leaves for the next one."""
    return ("heartbeat", namespace, run_id, activity_type, activity_id)


def message(namespace: str, run_id: str, name: str, arguments: Sequence[Payload]) -> Subject:
    """Return that of a signal or an update of that name."""
    return ("message", namespace, run_id, name, *map(digest, arguments))


def answer(namespace: str, run_id: str, query: str) -> Subject:
    """Return that of the answer to a query of that name."""
    return ("answer", namespace, run_id, query)


def _setup(memo: Mapping[str, Payload]) -> bytes:
    return digest(memo[SETUP_MEMO]) if SETUP_MEMO in memo else b""
