"""Every error this project raises, in one tree.

TaskflowError
├── UserError                  exit 2: nothing was started
│   ├── InvalidFlow            every problem found in the files, each with file:line
│   ├── ConnectionFailed       no Temporal server where one was configured
│   ├── EmbeddedServerFailed   the embedded server did not start
│   ├── NoStorage              where large payloads are to be kept is not said, or wrongly, or does not answer
│   ├── RunConflict            a run of that id is there already
│   ├── NotWaiting             no such run, or it does not wait for what it was told
│   ├── NotScheduled           a schedule of that id is there already, or there is none
│   ├── MissingKey             what was encrypted cannot be read: its key is missing, or is another one
│   ├── WorkerDiffers          who would serve a run is not set up as who starts it, and nobody said that this is right
│   └── NotTakenOver           what an earlier run gave does not fit the flow
└── TaskError                  raised in an activity, crosses Temporal as an ApplicationError
    ├── ModelUnavailable         retried: connection, timeout, 5xx
    │   └── RateLimited          retried after the delay that the server asks for: 429
    ├── ToolboxFailed            retried: an MCP server did not start, or was lost
    ├── StorageFailed            retried: what keeps journals and big values did not take or give one
    ├── ShellFailed              retried where the task has a `retry`: non-zero exit
    ├── BadRequest               final: 400, 422
    │   ├── ContextTooLong       final
    │   └── ContentFiltered      final: the provider's filter refused the prompt
    ├── AnswerCut                final: the model stopped before it had said all
    ├── EmptyAnswer              final: the model said nothing where a value is asked for, twice
    ├── ModelRefused             final: the model declined, in its own words
    ├── TurnLimit                final
    ├── UnknownTool              final: the model called a tool that does not exist
    ├── OutputsInvalid           final: what a task produced breaks its `outputs`
    ├── ValueTooLarge            final: what a task produced does not fit into the history
    ├── ModelAccess              final, ends the run: 401, 403, 404
    │   └── QuotaExhausted       final, ends the run: there is no money left, and waiting brings none
    └── FlowError                final, ends the run: the file itself is wrong
        ├── TemplateFailed
        │   └── MissingVariable
        ├── NotIterable
        └── NoValue

What is retried, and what a failure ends, is specification section 7; each class says its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import ClassVar

from grammar.exit_codes import ExitCode


class TaskflowError(Exception):
    """Base of all errors that this project raises on purpose. `exit_code`: what a program ends with that meets it."""

    exit_code: ClassVar[int] = ExitCode.BUG


class UserError(TaskflowError):
    """Something that the user can put right; its text says how. Nothing was started."""

    exit_code = ExitCode.BAD_INPUT


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one file. Its texts are cut, and made printable, on one line each."""

    file: str
    """The file, as people call it; or what else is wrong, as `command line`."""
    line: int
    """The line, from 1; 0: there is none."""
    field: str
    """The field, as `taskflow[0].task.run`; empty: the file as a whole."""
    message: str
    """What is wrong, and what to do."""
    referrer: str = dataclass_field(default="", compare=False)
    """What led to the file, one of several perhaps; empty: no other file did. It is one problem all the same."""

    excerpt: str = dataclass_field(default="", compare=False)
    """The line itself, and a caret below the place in it, to be printed below; empty: nothing of it is shown."""

    FIELD: ClassVar[int] = 200
    MESSAGE: ClassVar[int] = 1000

    def __post_init__(self) -> None:
        shown = (("file", None), ("field", self.FIELD), ("message", self.MESSAGE), ("referrer", self.FIELD))
        for name, most in shown:
            object.__setattr__(self, name, _line(getattr(self, name), most))

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{position}: {self.field}: {self.message}" if self.field else f"{position}: {self.message}"
        return f"{text} (referred to by {self.referrer})" if self.referrer else text

    @property
    def data(self) -> dict[str, str | int]:
        """Return the problem as JSON data; without `referrer` and `excerpt` where they are empty."""
        return {name: value for name, value in vars(self).items() if name not in ("referrer", "excerpt") or value}


def first(problems: Iterable[Problem], most: int = 1000) -> list[Problem]:
    """Return each problem once, at most `most` of them, and then one that says that there are more."""
    found = list(dict.fromkeys(problems))
    if len(found) <= most:
        return found
    more = Problem(found[most].file, 0, "", f"there is more; only the first {most:,} findings are told")
    return [*found[:most], more]


def _line(text: str, most: int | None) -> str:
    """In one line that can be printed, whatever the file has in it; as much of it as a person reads."""
    shown = text if most is None or len(text) <= most else f"{text[:most]} ..."
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in shown)


class InvalidFlow(UserError):
    """The files do not make a flow. Carries all problems at once, and warnings that may explain them."""

    def __init__(self, problems: list[Problem], warnings: list[Problem] | None = None) -> None:
        self.problems = first(sorted(problems))
        self.warnings = first(warnings or ())
        super().__init__("\n".join(map(str, self.problems)))


class ConnectionFailed(UserError):
    """No Temporal server answers where one was configured."""


class EmbeddedServerFailed(UserError):
    """The embedded Temporal server did not start."""


class NoStorage(UserError):
    """Where large payloads are to be kept is not said, or wrongly, or does not answer."""


class RunConflict(UserError):
    """A run of that id is there already, and is not the same flow."""


class NotWaiting(UserError):
    """The run does not wait for what it was told: no such run, no such call, not parked, or decided already."""


class NotScheduled(UserError):
    """A schedule of that id is there already, or there is none."""


class MissingKey(UserError):
    """What was encrypted cannot be read here: the key is missing, or is another one of that id."""


class WorkerDiffers(UserError):
    """Who would serve the run is not set up as who starts it, and nobody said that this is right."""


class NotTakenOver(UserError):
    """What an earlier run gave does not fit the flow, or is not there."""


class TaskError(TaskflowError):
    """A task, or one of its branches, failed. The class name is the error type in Temporal's history."""

    retryable: ClassVar[bool] = False
    """Whether Temporal tries it again, as long as the task's `retry` allows it."""
    ends_run: ClassVar[bool] = False
    """Whether the whole run ends by it, and not only its branch."""
    spent: ClassVar[bool] = False
    """Whether the conversation itself led here: to go on from where it ended would end the same way."""
    usage: object = None
    """Of an agent run, its Usage by then; None: not known."""
    said: object = None
    """Of an agent run, what was said, as a list of TranscriptEntry; None: not known."""


class ModelUnavailable(TaskError):
    """The model endpoint did not answer, or answered 5xx."""

    retryable = True


class RateLimited(ModelUnavailable):
    """429. `retry_after`: seconds that the server asks to wait; None: it does not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ToolboxFailed(TaskError):
    """An MCP server did not start, hung at its start, or was lost."""

    retryable = True


class StorageFailed(TaskError):
    """What keeps journals and big values did not take or give one: not reached, refused, missing or damaged."""

    retryable = True


class ShellFailed(TaskError):
    """A script exited with another code than 0. Retried only if the task says so (its `retry`)."""

    retryable = True


class BadRequest(TaskError):
    """400 or 422: the same request would fail again."""

    spent = True


class ContextTooLong(BadRequest):
    """The conversation does not fit into the model's context."""


class ContentFiltered(BadRequest):
    """The provider's content filter refused the prompt."""


class AnswerCut(TaskError):
    """The model stopped before it had said all, at a limit of tokens or by a filter, and its answer is the value."""

    spent = True


class EmptyAnswer(TaskError):
    """The model said nothing where its answer is the value, and nothing again when asked once more."""

    spent = True


class ModelRefused(TaskError):
    """The model declined to answer. Its text is the model's own."""

    spent = True


class TurnLimit(TaskError):
    """The agent used up its `max_steps` turns."""

    spent = True


class UnknownTool(TaskError):
    """The model called a tool that no toolbox offers."""

    spent = True


class OutputsInvalid(TaskError):
    """What a task produced is not what its `outputs` ask for."""

    spent = True


class ValueTooLarge(TaskError):
    """What a task produced does not fit into the history."""

    spent = True


class ModelAccess(TaskError):
    """401, 403, 404: the key or the model name is wrong, for every branch alike."""

    ends_run = True


class QuotaExhausted(ModelAccess):
    """The account has no money or quota left: not a rate limit, and waiting brings none."""


class FlowError(TaskError):
    """The file itself is wrong; no retry can help."""

    ends_run = True


class TemplateFailed(FlowError):
    """A template is malformed, uses a name that is not defined, or takes too long."""


class MissingVariable(TemplateFailed):
    """A template needs an environment variable that is not set. `name`: the variable's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"environment variable {name} is not set on the worker")
        self.name = name


class NotIterable(FlowError):
    """What a task should repeat over is not a list or a map."""


class NoValue(FlowError):
    """A task reads a result, and there is none."""


# Types of failures that no class above stands for: a fault of ours, and one of Temporal's timeouts.
BUG = "Bug"
TIMEOUT = "Timeout"
