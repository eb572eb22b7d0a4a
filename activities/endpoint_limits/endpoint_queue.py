"""The requests of this process to one endpoint with one key: each waits here for its turn (docs/decisions/0028)."""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from activities.endpoint_limits.limiter_client import FAILURES, Limiter, LocalLimiter
from grammar.documents.model_reach import EndpointLimits
from grammar.errors import RateLimited
from grammar.messages.limiter import Share, ShareRequest
from grammar.model_access import limit_headers, rate_limit
from grammar.model_access.turns import Turns

SHORT_WAIT = 60.0
"""Seconds. Who has to wait for longer leaves the activity, and the workflow waits."""
LONGEST_TURN = 300.0
"""Seconds after which a request that is never in turn is given up."""
LOOK = 30.0
"""Seconds between two looks whether others have been refused by now."""
ALONE_AFTER = 30.0
"""Seconds for which the limiter may fail before this process keeps to the limits by itself."""
FIRST_GUESS = 1_000.0
"""Tokens of an answer, as long as there is none."""

Waits = Callable[[bool], None]
"""Is told that a request waits for its turn, and that it does not any more."""

_log = logging.getLogger("worker")


@dataclass(eq=False)
class _Waiting:
    """A request that waits. `tokens`: what it takes, about."""

    tokens: float
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class EndpointQueue:
    """Have requests wait for their turn, as the limiter says, and the endpoint itself.

    Where no limits are set, and nobody has been refused, none waits, and the limiter is not asked.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._alone = LocalLimiter()
        self._name = uuid.uuid4().hex[:12]
        self._turns = Turns()
        self._waiting: deque[_Waiting] = deque()
        self._in_flight = 0
        self._sent: deque[float] = deque(maxlen=1_000)
        self._refusals = 0
        self._answer = FIRST_GUESS
        self._overspent = 0.0
        self._listens = self._serves = self._asks = False
        self._failing_since: float | None = None
        self._looked = -LOOK
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def set_limits(self, limits: EndpointLimits | None) -> None:
        """Set what the endpoint takes, as the flow says that asks now."""
        self._turns.limits = limits or self._turns.limits

    @property
    def counts_tokens(self) -> bool:
        """Return whether it matters how many tokens a request takes."""
        return bool(self._turns.limits and self._turns.limits.tokens_per_minute)

    @asynccontextmanager
    async def place(self, model: str, tokens: float, waits: Waits) -> AsyncIterator[None]:
        """Wait for the turn of a request of so many tokens, and count it as in flight for the block.

        Raises RateLimited where that would take long: more than SHORT_WAIT for all, or LONGEST_TURN for this one.
        """
        if self._turns.limits or self._listens or time.monotonic() < self._turns.held_until:
            await self._wait(model, tokens + self._answer, waits)
        else:
            self._look()
            self._in_flight += 1
        self._sent.append(time.monotonic())
        try:
            yield
        finally:
            self._in_flight -= 1
            self._changed.set()

    def answered(self, model: str, headers: Mapping[str, str], expected: float, taken: float) -> None:
        """Take in an answer: what is left, as its headers say, and how many tokens it took of those expected."""
        self._refusals = 0
        self._turns.note_headers(model, headers, time.time(), time.monotonic())
        self._overspent += taken - expected - self._answer
        self._answer += (max(0.0, taken - expected) - self._answer) / 5

    def refused(self, asked: float | None, headers: Mapping[str, str]) -> None:
        """Take in that the endpoint refused a request: nobody sends one for as long as it asks, or as seems best.

        `asked`: the seconds that it asks to wait for; None: it did not say.
        """
        now = time.monotonic()
        self._refusals += now >= self._turns.held_until
        seconds = limit_headers.wait_of_refusal(headers, time.time()) if asked is None else asked
        seconds = rate_limit.delay(seconds, max(1, self._refusals))
        if now + seconds > self._turns.held_until + 0.5:  # of those in flight together, one tells
            self._hold(seconds)
            self._begin(self._tell(seconds))

    async def close(self) -> None:
        """End what runs in the background."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Turns

    async def _wait(self, model: str, tokens: float, waits: Waits) -> None:
        """Return when the request is in turn, and counted as in flight. Raises RateLimited."""
        waiting = _Waiting(tokens)
        self._waiting.append(waiting)
        self._serve()
        is_shown = not waiting.turn.done()
        if is_shown:
            waits(True)
        try:
            async with asyncio.timeout(LONGEST_TURN):
                await waiting.turn
                await self._until_more_is_left(model, tokens)
        except TimeoutError:
            self._leave(waiting)
            raise RateLimited("the limits of the model endpoint let no request through for 5 minutes") from None
        except BaseException:
            self._leave(waiting)
            raise
        finally:
            if is_shown:
                waits(False)
        self._turns.count_request(model, tokens)

    def _leave(self, waiting: _Waiting) -> None:
        """Have it wait, or be in flight, no more."""
        turn = waiting.turn
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            self._in_flight -= 1
        self._changed.set()

    async def _until_more_is_left(self, model: str, tokens: float) -> None:
        """Wait for as long as the endpoint said that nothing is left. Raises RateLimited."""
        while (seconds := self._turns.more_is_left_at(model, tokens, now := time.monotonic()) - now) > 0:
            if seconds > SHORT_WAIT:
                raise RateLimited(f"the model endpoint takes no more for {seconds:.0f} s, as it said", seconds)
            await asyncio.sleep(seconds)

    def _serve(self) -> None:
        """Let go who is in turn; and go on with that in the background, as long as anybody waits."""
        self._let_go(time.monotonic())
        if not self._serves and self._waiting:
            self._serves = True
            self._begin(self._go_on())
        self._changed.set()

    async def _go_on(self) -> None:
        try:
            while True:
                self._changed.clear()
                now = time.monotonic()
                self._let_go(now)
                due = None if self._asks else self._turns.asks_at(len(self._waiting), self._in_flight, now)
                if due is not None and due <= now:
                    self._asks = True
                    self._begin(self._ask())
                    due = None
                if due is None and not self._asks and not self._waiting:
                    return
                wakes = [when for when in (due, self._turns.wakes_at(now)) if when is not None]
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, min(wakes) - now) if wakes else None):
                        await self._changed.wait()
        finally:
            self._serves = False

    def _let_go(self, now: float) -> None:
        """Have those go that are in turn; where all have to wait for long, have them wait elsewhere."""
        held = self._turns.held_until - now
        while self._waiting and held > SHORT_WAIT:
            text = f"the model endpoint has refused a request, and is not asked for {held:.0f} s"
            self._waiting.popleft().turn.set_exception(RateLimited(text, held))
        while self._waiting and self._turns.take_turn(self._in_flight, now):
            self._in_flight += 1
            self._waiting.popleft().turn.set_result(None)

    # The limiter

    async def _ask(self) -> None:
        now = time.monotonic()
        request = self._request(now)
        self._turns.ask(len(self._waiting), self._in_flight, now)
        try:
            if share := await self._shared(request, now):
                self._turns.take(share, now, time.monotonic())
        finally:
            self._asks = False
            self._changed.set()

    def _request(self, now: float) -> ShareRequest:
        overspent, self._overspent = self._overspent, 0.0
        tokens = [waiting.tokens for waiting in self._waiting]
        assert self._turns.limits
        return ShareRequest(
            process=self._name,
            limits=self._turns.limits,
            waiting=max(0, len(self._waiting) - self._turns.free_slots),
            expected=sum(sent > now - 1 for sent in self._sent),
            in_flight=self._in_flight,
            tokens=sum(tokens) / len(tokens) if tokens else self._answer,
            overspent=overspent if self.counts_tokens else 0,
        )

    async def _shared(self, request: ShareRequest, now: float) -> Share | None:
        """Return what the limiter deals; where it fails for long, what would be dealt to this process alone."""
        try:
            share = await self._limiter.ask(request)
        except FAILURES as error:
            self._failing_since = now if self._failing_since is None else self._failing_since
            if now - self._failing_since < ALONE_AFTER:
                return None
            _log.warning("the limiter of a model endpoint fails, and this process keeps to its limits alone: %s", error)
            return await self._alone.ask(request)
        self._failing_since = None
        self._listen()
        return share

    async def _tell(self, seconds: float) -> None:
        """Have all others wait, too."""
        try:
            await self._limiter.hold(seconds)
        except FAILURES as error:
            _log.warning("the limiter of a model endpoint cannot be told that everybody has to wait: %s", error)
        self._listen()

    def _hold(self, seconds: float) -> None:
        self._turns.hold(rate_limit.delay(seconds, 1), time.monotonic())
        self._serve()

    def _listen(self) -> None:
        """Hear from now on when others are refused."""
        if not self._listens:
            self._listens = True
            self._begin(self._keep_listening())

    async def _keep_listening(self) -> None:
        with suppress(*FAILURES):
            await self._limiter.listen(self._hold)
        # It has ended, or cannot be reached: the next request that has to do with it tries again.
        self._listens = False

    def _look(self) -> None:
        """Find out, in the background and now and then, whether others have been refused."""
        if time.monotonic() - self._looked >= LOOK:
            self._looked = time.monotonic()
            self._begin(self._look_for_others())

    async def _look_for_others(self) -> None:
        with suppress(*FAILURES):
            if await self._limiter.is_there():
                self._listen()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
