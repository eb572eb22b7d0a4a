"""The tool results that are carried over from task to task (specification section 5)."""

from collections.abc import Iterable, Sequence

from grammar.documents.values import ToolResult
from grammar.messages.continue_as_new import CarryOverChange

# A flow takes no more results than it has tasks. Some more are kept, for an edited flow that takes over from the run.
ROOM = 100


class CarryOver:
    """Hold the results as a stack of changes by task, so that it is known how it stood before any task.

    `room`: how many results are kept of each task, the newest. Older ones never come to the top as long as fewer are
    taken.
    """

    def __init__(self, changes: Sequence[CarryOverChange] = (), room: int = ROOM) -> None:
        self._room = room
        self._changes = [change.model_copy(update={"pushed": list(change.pushed)}) for change in changes]

    @property
    def top(self) -> ToolResult | None:
        """Return the newest result that is still there; None where there is none."""
        taken = 0
        for change in reversed(self._changes):
            # What a task takes was there before it pushed.
            pushed = len(change.pushed)
            if pushed > taken:
                return change.pushed[pushed - 1 - taken]
            taken = taken - pushed + change.taken
        return None

    def take(self, task: int) -> None:
        """Take the top off, for the task of that index, which repeats over it."""
        self._change_of(task).taken += 1

    def push(self, task: int, results: Iterable[ToolResult]) -> None:
        """Push what the task of that index gave, in this order."""
        change = self._change_of(task)
        change.pushed = [*change.pushed, *results][-self._room :]

    def before(self, task: int) -> list[CarryOverChange]:
        """Return what the tasks before the one of that index changed, one entry per task."""
        return self._changes[:task]

    @property
    def changes(self) -> list[CarryOverChange]:
        """Return what all tasks have changed so far, one entry per task."""
        return self._changes

    def _change_of(self, task: int) -> CarryOverChange:
        while len(self._changes) <= task:
            self._changes.append(CarryOverChange())
        return self._changes[task]
