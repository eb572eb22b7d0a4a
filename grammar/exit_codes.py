"""How a program says how it went: its exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script may rely on. `docs/reference.md` and `--help` list them."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    BUG = 3
    OPTIONAL_FAILED = 4
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """Return what it says, as `--help` and the documentation have it."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "all done",
    ExitCode.FAILED: "the run failed, or is parked: it waits for a decision",
    ExitCode.BAD_INPUT: "bad input, or no server: nothing was started",
    ExitCode.BUG: "a bug of ours; a file says more, and the message names it",
    ExitCode.OPTIONAL_FAILED: "finished, but a task that is not `must_complete` failed",
    ExitCode.INTERRUPTED: "interrupted or cancelled",
}
