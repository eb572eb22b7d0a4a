"""What is learnt of one answer of a model while it is streamed, and the SDK does not hand on."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain, count


@dataclass
class Answer:
    """One answer of a model, as far as it has come.

    `taken`: the ids of the conversation's tool calls so far. `cut`: why the model stopped before it had said all,
    such as `max_tokens`; empty where it had. `repairs`: what was understood although the API has it otherwise, a phrase
    each. `headers`: those of the response, with names in small letters. `tokens`: how many it took; 0: not told.
    """

    taken: set[str] = field(default_factory=set)
    cut: str = ""
    repairs: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: int = 0

    def repaired(self, what: str) -> None:
        """Note that something was understood although it was not as the API says."""
        if what not in self.repairs:
            self.repairs.append(what)

    def unique_id(self, given: str) -> str:
        """Return an id that no other call of the conversation has: the endpoint's own where it is one."""
        numbered = (f"{given or 'call'}_{number}" for number in count(2 if given else 1))
        made = next(name for name in chain([given] if given else [], numbered) if name not in self.taken)
        if made != given:
            self.repaired("ids of tool calls that were empty or used before")
        self.taken.add(made)
        return made


_awaited: ContextVar[Answer | None] = ContextVar("awaited", default=None)


@contextmanager
def awaiting(taken: Iterable[str]) -> Iterator[Answer]:
    """Await one answer for the length of the block: the response to a request made in it is checked, and noted."""
    answer = Answer(set(taken))
    _awaited.set(answer)
    try:
        yield answer
    finally:  # not by a token: a generator may be ended elsewhere than it began
        _awaited.set(None)


def awaited() -> Answer | None:
    """Return the answer that the current task awaits; None where it awaits none."""
    return _awaited.get()
