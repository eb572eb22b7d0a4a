"""The tool results that are carried over from task to task (specification section 5)."""

from collections.abc import Iterable, Sequence

from grammar.documents.values import ToolResult
from grammar.messages.continue_as_new import CarryOverChange

# A flow takes no more results than it has tasks. Some more are kept, for an edited flow that takes over from the run.
ROOM = 100


class CarryOver:
    """The results, and which task pushed and took which: so it is known as it stood before any task.

    `room`: of each task, so many are kept, the newest. Older ones never come to the top as long as fewer are taken.
    """

    def __init__(self, moves: Sequence[CarryOverChange] = (), room: int = ROOM) -> None:
        self._room = room
        self._moves = [one.model_copy(update={"pushed": list(one.pushed)}) for one in moves]

    @property
    def top(self) -> ToolResult | None:
        """The newest result that is still there."""
        left = 0
        for one in reversed(self._moves):
            # What a task takes was there before it pushed.
            here = len(one.pushed)
            if here > left:
                return one.pushed[here - 1 - left]
            left = left - here + one.taken
        return None

    def take(self, task: int) -> None:
        """The task repeats over the top."""
        self._of(task).taken += 1

    def push(self, task: int, results: Iterable[ToolResult]) -> None:
        """The task gave these, in this order."""
        here = self._of(task)
        here.pushed = [*here.pushed, *results][-self._room :]

    def before(self, task: int) -> list[CarryOverChange]:
        """What the tasks before that one did."""
        return self._moves[:task]

    @property
    def moves(self) -> list[CarryOverChange]:
        """What all tasks did so far."""
        return self._moves

    def _of(self, task: int) -> CarryOverChange:
        while len(self._moves) <= task:
            self._moves.append(CarryOverChange())
        return self._moves[task]
