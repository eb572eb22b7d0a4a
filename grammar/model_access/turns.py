"""When a process may send its requests to one endpoint, as far as it has been told (specification section 6). Pure.

All times are of one clock, in seconds, which the caller reads.
"""

from collections import deque
from collections.abc import Mapping

from grammar.documents.model_reach import EndpointLimits
from grammar.messages.limiter import Share
from grammar.model_access import limit_headers
from grammar.model_access.shares import LATE, LEASE

_EARLY, _RENEWED, _LINGER = 5.0, 10.0, 2.0
"""Seconds: before the limiter takes them back, places are not used any more; before that, they are asked for again; and
after the last answer, they are given back."""


class Turns:
    """Hold what the limiter has dealt to the process, and for how long nobody may send a request.

    `limits`: what the endpoint takes, as the flow that asked last says; None: it says nothing, and only holds count.
    """

    def __init__(self) -> None:
        self.limits: EndpointLimits | None = None
        self.held_until = 0.0
        self._held_since = 0.0
        self._slots: deque[float] = deque()
        self._places: int | None = None
        self._places_until = 0.0
        self._told = (0, 0)
        self._asked: float | None = None
        self._again = 0.0
        self._left: dict[tuple[str, str], tuple[float, float]] = {}

    def take_turn(self, in_flight: int, now: float) -> bool:
        """Return whether a request may be sent now; its slot is used up then."""
        if now < self.held_until:
            return False
        if self._limits_places and (now >= self._places_until or in_flight >= (self._places or 0)):
            return False
        if not self._limits_pace:
            return True
        while self._slots and self._slots[0] + LATE < now:
            self._slots.popleft()
        if not self._slots or self._slots[0] > now:
            return False
        self._slots.popleft()
        return True

    def asks_at(self, waiting: int, in_flight: int, now: float) -> float | None:
        """Return when to ask the limiter; None: nothing is needed."""
        if self._asked is None:
            return now if self.limits and waiting else None
        due = max(self._asked + self._again, self.held_until)
        if self._limits_pace and waiting > len(self._slots):
            return due
        return self._asks_for_places_at(due, self._asked, waiting, in_flight) if self._limits_places else None

    def _asks_for_places_at(self, due: float, asked: float, waiting: int, in_flight: int) -> float | None:
        told_waiting, told_in_flight = self._told
        places = self._places or 0
        if not (waiting or in_flight):  # others may have the places
            return max(due, asked + _LINGER) if told_waiting or told_in_flight else None
        if waiting and in_flight >= places:
            return due
        gives_back = in_flight < told_in_flight and places < told_in_flight
        return asked + 1 if gives_back else max(self._places_until - _RENEWED, asked + 1)

    def wakes_at(self, now: float) -> float | None:
        """Return when the next request may be sent, as far as is known; None: not before something else happens."""
        if now < self.held_until:
            return self.held_until
        return self._slots[0] if self._slots and self._slots[0] > now else None

    def ask(self, waiting: int, in_flight: int, now: float) -> None:
        """Note that the limiter is asked, and told that so many requests wait, and are in flight."""
        self._asked, self._again, self._told = now, 1.0, (waiting, in_flight)

    def take(self, share: Share, asked: float, now: float) -> None:
        """Take in the share that was asked for at that time. What was dealt before everybody was held is void."""
        if share.hold:
            self.hold(share.hold, now)
        if asked < self._held_since:
            return
        self._again = share.again
        self._places, self._places_until = share.at_once, asked + LEASE - _EARLY
        self._slots.extend(now + share.first + number * share.every for number in range(share.slots or 0))

    def hold(self, seconds: float, now: float) -> None:
        """Let no request be sent for so long."""
        self.held_until = max(self.held_until, now + seconds)
        self._held_since = now
        self._slots.clear()

    @property
    def free_slots(self) -> int:
        """Return how many requests may be sent, each at its time, that are dealt already."""
        return len(self._slots)

    def note_headers(self, model: str, headers: Mapping[str, str], clock: float, now: float) -> None:
        """Note how much the endpoint says is left for a model. `clock`: in seconds since the epoch."""
        for what in ("requests", "tokens"):
            if left := limit_headers.remaining(headers, what, clock):
                self._left[model, what] = (left.amount, now + left.seconds)

    def more_is_left_at(self, model: str, tokens: float, now: float) -> float:
        """Return when the endpoint takes a request of so many tokens, as it said last; `now` where it does already."""
        needed = {"requests": 1.0, "tokens": tokens}
        found = [self._left.get((model, what), (amount, now)) for what, amount in needed.items()]
        short = [until for (left, until), amount in zip(found, needed.values(), strict=True) if left < amount]
        return max([now, *short])

    def count_request(self, model: str, tokens: float) -> None:
        """Note that a request of so many tokens has been sent, which is not in what was said to be left."""
        for what, amount in (("requests", 1.0), ("tokens", tokens)):
            if known := self._left.get((model, what)):
                self._left[model, what] = (max(0.0, known[0] - amount), known[1])

    @property
    def _limits_pace(self) -> bool:
        return bool(self.limits and (self.limits.requests_per_minute or self.limits.tokens_per_minute))

    @property
    def _limits_places(self) -> bool:
        return bool(self.limits and self.limits.concurrency)
