"""How what an endpoint takes is dealt out: played through, with processes that ask as they really do."""

import heapq
import random
from bisect import bisect_left
from dataclasses import dataclass, field

import pytest

from grammar.documents.model_reach import EndpointLimits
from grammar.messages.limiter import LimiterState, ShareRequest
from grammar.model_access.shares import HORIZON, LEASE, deal, hold
from grammar.model_access.turns import Turns

STEP = 0.02
EPOCH = 1_800_000_000.0


@dataclass
class Process:
    """A process of a worker, with so many agents, each of which asks again as soon as it has its answer."""

    agents: int
    turns: Turns = field(default_factory=Turns)
    in_flight: int = 0
    sent: list[float] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        return self.agents - self.in_flight


@dataclass
class Play:
    """Some processes at one endpoint for a while. `answer`: seconds, about; `tokens`: of each request."""

    limits: EndpointLimits
    agents: list[int]
    answer: float
    tokens: float = 0
    seconds: float = 150
    held: dict[float, float] = field(default_factory=dict)
    sent: list[float] = field(default_factory=list)
    asked: int = 0
    most_at_once: int = 0

    def run(self) -> "Play":
        chance, state = random.Random(1), LimiterState()
        processes = [Process(agents) for agents in self.agents]
        answers: list[tuple[float, int]] = []
        for process in processes:
            process.turns.limits = self.limits
        now = 0.0
        while now < self.seconds:
            while answers and answers[0][0] <= now:
                processes[heapq.heappop(answers)[1]].in_flight -= 1
            for begin in [begin for begin in self.held if begin <= now]:
                seconds = self.held.pop(begin)
                hold(state, seconds, EPOCH + now)
                for process in processes:
                    process.turns.hold(seconds, now)
            for number, process in enumerate(processes):
                self._ask(state, str(number), process, now, chance.random() * 0.1)
                while process.waiting and process.turns.take_turn(process.in_flight, now):
                    process.in_flight += 1
                    process.sent.append(now)
                    heapq.heappush(answers, (now + self.answer * (0.5 + chance.random()), number))
            self.most_at_once = max(self.most_at_once, sum(process.in_flight for process in processes))
            now += STEP
        self.each = [len(process.sent) for process in processes]
        self.sent = sorted(time for process in processes for time in process.sent)
        return self

    def _ask(self, state: LimiterState, name: str, process: Process, now: float, latency: float) -> None:
        due = process.turns.asks_at(process.waiting, process.in_flight, now)
        if due is None or due > now:
            return
        self.asked += 1
        request = ShareRequest(
            process=name,
            limits=self.limits,
            waiting=max(0, process.waiting - process.turns.free_slots),
            expected=sum(sent > now - 1 for sent in process.sent[-200:]),
            in_flight=process.in_flight,
            tokens=self.tokens,
        )
        process.turns.ask(process.waiting, process.in_flight, now)
        process.turns.take(deal(state, request, EPOCH + now), now, now + latency)

    def most_within(self, seconds: float) -> int:
        return max(bisect_left(self.sent, start + seconds) - index for index, start in enumerate(self.sent))

    @property
    def per_minute(self) -> float:
        """Once all processes have got to know each other."""
        late = [time for time in self.sent if time >= 2 * HORIZON]
        return len(late) / (self.seconds - 2 * HORIZON) * 60


@pytest.mark.parametrize(
    ("limit", "agents", "answer", "events"),
    [
        (60, [20], 2, 10),
        (60, [20, 20, 20], 2, 40),
        (60, [5] * 9, 2, 150),
        (60, [1, 1, 1], 0.2, 80),
        (100, [1], 0.1, 70),
        (600, [40, 40, 40], 2, 50),
        (1000, [100, 5, 1], 0.5, 110),
        (10, [5, 5], 1, 30),
    ],
)
def test_the_limit_is_kept_and_used(limit: int, agents: list[int], answer: float, events: int) -> None:
    play = Play(EndpointLimits(requests_per_minute=limit), agents, answer).run()
    assert play.most_within(60) <= limit + 1
    assert play.per_minute >= 0.93 * limit
    assert play.most_within(10) <= limit / 6 + 2  # no burst
    assert min(play.each) > 0
    assert play.asked / play.seconds * 60 <= events


def test_who_is_below_the_limit_loses_little() -> None:
    """50 agents ask 50 times a second at most, where more than 80 are allowed."""
    assert Play(EndpointLimits(requests_per_minute=5000), [50], 1).run().per_minute > 0.9 * 50 * 60


@pytest.mark.parametrize(("minute", "tokens"), [(60_000, 1_000), (600_000, 30_000), (6_000, 12_000)])
def test_tokens_are_paced_too(minute: int, tokens: float) -> None:
    play = Play(EndpointLimits(requests_per_minute=1000, tokens_per_minute=minute), [10, 10], 1, tokens).run()
    assert play.most_within(60) * tokens <= minute + tokens
    assert play.per_minute * tokens >= 0.9 * minute or play.per_minute * tokens >= minute - tokens


def test_what_answers_took_besides_is_made_up_for() -> None:
    state, limits = LimiterState(), EndpointLimits(tokens_per_minute=6000)
    request = ShareRequest(process="a", limits=limits, waiting=1, tokens=100)
    assert deal(state, request, EPOCH).first == 0
    late = deal(state, request.model_copy(update={"overspent": 400}), EPOCH)
    assert late.first == pytest.approx(5 / 0.97)
    early = deal(state, request.model_copy(update={"overspent": -400}), EPOCH)
    assert early.first == pytest.approx(2 / 0.97)


@pytest.mark.parametrize(
    ("limit", "agents", "answer"), [(10, [20, 20], 2), (10, [3, 20, 20], 2), (2, [5, 5, 5], 1), (4, [4], 1)]
)
def test_no_more_at_once_than_allowed(limit: int, agents: list[int], answer: float) -> None:
    play = Play(EndpointLimits(concurrency=limit), agents, answer, seconds=300).run()
    assert play.most_at_once <= limit
    most = limit * 60 / answer
    assert play.per_minute >= 0.7 * most
    assert min(play.each) >= 0.15 * sum(play.each) / len(agents)


def test_places_of_who_is_gone_come_back() -> None:
    state, limits = LimiterState(), EndpointLimits(concurrency=4)
    assert deal(state, ShareRequest(process="gone", limits=limits, waiting=9), EPOCH).at_once == 4
    asks = ShareRequest(process="here", limits=limits, waiting=9)
    assert deal(state, asks, EPOCH + 1).at_once == 0
    assert deal(state, asks, EPOCH + LEASE + 1).at_once == 4


def test_slots_of_who_is_gone_come_back() -> None:
    state, limits = LimiterState(), EndpointLimits(requests_per_minute=60)
    assert deal(state, ShareRequest(process="gone", limits=limits, waiting=100), EPOCH).slots == 10
    asks = ShareRequest(process="here", limits=limits, waiting=1)
    assert deal(state, asks, EPOCH + HORIZON).first < 1


def test_nobody_asks_while_all_are_held() -> None:
    play = Play(EndpointLimits(requests_per_minute=120), [10, 10, 10], 1, held={50.0: 7.0, 90.0: 20.0}).run()
    for begin, end in ((50, 57), (90, 110)):
        assert [time for time in play.sent if begin < time < end] == []
        assert [time for time in play.sent if end <= time < end + 3]
    assert play.most_within(60) <= 121


def test_the_tightest_limit_counts() -> None:
    state = LimiterState()
    deal(state, ShareRequest(process="a", limits=EndpointLimits(requests_per_minute=60)), EPOCH)
    loose = ShareRequest(process="b", limits=EndpointLimits(requests_per_minute=6000, concurrency=3), waiting=9)
    share = deal(state, loose, EPOCH)
    assert share.at_once == 3
    assert share.every == pytest.approx(1 / 0.97)
