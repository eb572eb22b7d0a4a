"""How what an endpoint takes is dealt out among the processes that ask it (specification section 6). Pure.

The pace is even: a request has its time, the next one comes so much later, and what was not sent is not made up for. So
no minute has more than the limit, wherever it begins.
"""

import math

from grammar.documents.model_reach import EndpointLimits
from grammar.messages.limiter import AskingProcess, LimiterState, Share, ShareRequest

PACE = 0.97
"""Of the limit: clocks and networks are not as even."""
HORIZON = 10.0
"""Seconds ahead that slots are dealt out for: what a process that dies has not used is lost until then, and no more."""
LATE = 1.5
"""Seconds after its time that a slot may still be used."""
LEASE = 30.0
"""Seconds for which a process has its places, unless it asks again."""
_SOON, _OFTEN, _SELDOM = 1.0, 2.0, 10.0


def deal(state: LimiterState, request: ShareRequest, now: float) -> Share:
    """Return the share of a process, and note it in the state. `now`: in seconds since the epoch."""
    state.processes = {name: known for name, known in state.processes.items() if now - known.asked < LEASE}
    known = state.processes.setdefault(request.process, AskingProcess(limits=request.limits, asked=now))
    known.limits, known.asked, known.needed = request.limits, now, request.waiting + request.in_flight
    limits = _tightest([process.limits for process in state.processes.values()])
    places = _places(state, request, limits.concurrency, now)
    share = _slots(state, request, limits, now, places)
    hold = max(0.0, state.held_until - now)
    again = min(share.again, _places_again(known, places))
    return share.model_copy(update={"at_once": places, "hold": hold, "again": max(again, _SOON)})


def hold(state: LimiterState, seconds: float, now: float) -> None:
    """Have nobody send a request for so long. What was dealt out for later is void: each process drops it, too."""
    state.held_until = max(state.held_until, now + seconds)
    state.next_request = state.next_tokens = state.held_until


def _tightest(given: list[EndpointLimits]) -> EndpointLimits:
    """Return the lowest of each: flows may have been told differently."""
    names = EndpointLimits.model_fields
    lowest = {name: min((value for each in given if (value := getattr(each, name))), default=None) for name in names}
    return EndpointLimits.model_validate(lowest)


def _slots(state: LimiterState, request: ShareRequest, limits: EndpointLimits, now: float, places: int | None) -> Share:
    """Return when how many may be sent: those that wait, and where nobody else does, some of those to come."""
    pace, tokens = _per_second(limits.requests_per_minute), _per_second(limits.tokens_per_minute)
    if pace is None and tokens is None:
        return Share(again=LEASE)
    if tokens:
        state.next_tokens = max(state.next_tokens, now) + request.overspent / tokens
    gap, weight = 1 / pace if pace else 0.0, request.tokens / tokens if tokens else 0.0
    every = max(gap, weight, 0.001)
    start = max(now, state.held_until, state.next_request, state.next_tokens)
    room = max(0, math.floor((now + HORIZON - start) / every) + 1)
    spare = min(request.expected, math.ceil(_SOON / every / 2)) if start <= now + _SOON else 0
    wanted = request.waiting + spare if places is None else min(request.waiting + spare, places)
    slots = min(wanted, math.ceil(room / len(state.processes)))
    if slots == 0:
        return Share(slots=0, again=min(max(start - now - HORIZON, _SOON), HORIZON))
    last = start + (slots - 1) * every
    state.next_request = last + gap if pace else state.next_request
    state.next_tokens = last + weight if tokens else state.next_tokens
    return Share(slots=slots, first=start - now, every=every, again=min(max(last - now - _SOON, _SOON), HORIZON))


def _per_second(per_minute: int | None) -> float | None:
    return per_minute * PACE / 60 if per_minute else None


def _places(state: LimiterState, request: ShareRequest, limit: int | None, now: float) -> int | None:
    """Return how many the process may have in flight. Who has more than its part gives it back to who has less."""
    known = state.processes[request.process]
    if limit is None:
        return None
    others = [process for name, process in state.processes.items() if name != request.process]
    granted = min(known.needed, max(0, limit - sum(process.at_once for process in others)))
    if any(process.needed > process.at_once for process in others):
        granted = min(granted, _part(state, request.process, limit, now))
    known.at_once = max(granted, request.in_flight)  # what is in flight takes its place until it is told otherwise
    return granted


def _part(state: LimiterState, process: str, limit: int, now: float) -> int:
    """Return an equal part of the places. What is left over goes to one after the other, for a while each."""
    rank = (sorted(state.processes).index(process) + int(now / LEASE)) % len(state.processes)
    return limit // len(state.processes) + (rank < limit % len(state.processes))


def _places_again(known: AskingProcess, places: int | None) -> float:
    if places is None or known.needed == 0:
        return LEASE
    if known.needed <= places:
        return LEASE - _SELDOM
    return _SELDOM if places else _OFTEN
