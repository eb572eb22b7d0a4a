"""Which models a run does not ask for a while, since their endpoints failed: a circuit breaker for each of them."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from grammar import failure_policy
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.continue_as_new import Cooldown


class Cooldowns:
    """Hold the models of a run that cool down (specification section 7).

    Once a model's time is up, one branch tries it; the others go on without it until that one has an answer.
    """

    def __init__(self, now: Callable[[], datetime], carried: Iterable[Cooldown] = ()) -> None:
        self._now = now
        self._known = {cooldown.model: cooldown for cooldown in carried}
        self._tried: set[str] = set()
        self._answers = Counter[str]()

    def carried(self) -> list[Cooldown]:
        """Return what a new history needs."""
        return list(self._known.values())

    def allows(self, spec: ModelSpec) -> bool:
        """Return whether a branch may ask the model now."""
        cooldown = self._known.get(_key(spec))
        return cooldown is None or (cooldown.model not in self._tried and cooldown.until <= self._now())

    def ask(self, spec: ModelSpec) -> bool:
        """Note that a branch asks the model; return whether it is the one that tries it after its time."""
        if _key(spec) not in self._known:
            return False
        self._tried.add(_key(spec))
        return True

    def begin(self, spec: ModelSpec, asked: float | None) -> None:
        """Have the model cool down: its endpoint failed. `asked`: the seconds that it asks to wait for, if any.

        Of the branches that find out side by side, the first one counts.
        """
        key, known = _key(spec), self._known.get(_key(spec))
        if known and key not in self._tried:
            return
        times = known.times + 1 if known else 1
        until = self._now() + timedelta(seconds=failure_policy.cooldown(times, asked))
        self._tried.discard(key)
        self._known[key] = Cooldown(model=key, until=until, times=times)

    def end(self, spec: ModelSpec) -> None:
        """Have the model be asked by all again: it has answered."""
        self._tried.discard(_key(spec))
        self._known.pop(_key(spec), None)

    def give_back(self, spec: ModelSpec) -> None:
        """Let another branch try the model: the one that did has not found out."""
        self._tried.discard(_key(spec))

    def count(self, spec: ModelSpec, answers: int) -> None:
        """Count answers that the model gave in legs that have ended."""
        self._answers[_key(spec)] += answers

    def answers(self, spec: ModelSpec) -> int:
        """Return how many the model gave so far in this history. To be compared: it never shrinks."""
        return self._answers[_key(spec)]

    def clear(self) -> None:
        """Have all models be asked again: a person said that it is tried again."""
        self._known.clear()
        self._tried.clear()


def _key(spec: ModelSpec) -> str:
    return " ".join(filter(None, [spec.name or "-", spec.endpoint, spec.token]))
