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
    │   └── RateLimited          retried after the delay that the server asks for: 429, 529
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
    ├── SandboxRefused           final, ends the run: the worker can make no such sandbox, or may not
    ├── NotSigned                final: it comes from somebody who does not have the worker's signing key
    ├── BudgetReached            final: a budget is used up, and somebody may raise it
    ├── NotConfirmed             final: a person refused a fan-out of that size
    ├── TooManyFailures          final, ends the run: `stop_after` says that no further branch starts
    ├── ModelAccess              final, ends the run: 401, 403, 404
    │   ├── RegionRefused        final, ends the run: it is not served where the worker is
    │   └── QuotaExhausted       final, ends the run: there is no money left, and waiting brings none
    └── FlowError                final, ends the run: the file itself is wrong
        ├── TemplateFailed
        │   └── MissingVariable
        ├── NotIterable
        └── NoValue

What is retried, and what a failure ends, is specification section 7; each class says its own.
"""

from typing import ClassVar

from grammar.exit_codes import ExitCode
from grammar.problems import Problem, first


class TaskflowError(Exception):
    """Base of all errors that this project raises on purpose. `exit_code`: what a program ends with that meets it."""

    exit_code: ClassVar[int] = ExitCode.BUG


class UserError(TaskflowError):
    """Something that the user can put right; its text says how. Nothing was started."""

    exit_code = ExitCode.BAD_INPUT


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
    falls_back: ClassVar[bool] = False
    """Whether another model may do what this one's endpoint cannot: the branch goes on with its `fallback`."""
    spent: ClassVar[bool] = False
    """Whether the conversation itself led here: to go on from where it ended would end the same way."""
    usage: object = None
    """Of an agent run, its Usage by then; None: not known."""
    model: str = ""
    """Of an agent run, the provider's id of its model; empty: not known."""
    said: object = None
    """Of an agent run, what was said, as a list of TranscriptEntry; None: not known."""


class ModelUnavailable(TaskError):
    """The model endpoint did not answer, or answered 5xx."""

    retryable = True
    falls_back = True


class RateLimited(ModelUnavailable):
    """429, or an endpoint that is overloaded. `retry_after`: seconds that it asks to wait; None: it does not say."""

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


class SandboxRefused(TaskError):
    """The worker cannot make the sandbox that is asked for, or requires another: nothing was run."""

    ends_run = True


class NotSigned(TaskError):
    """What a worker was given does not come from its owner: it has no signature by the key of the worker."""


class BudgetReached(TaskError):
    """A budget is used up: no request more is made. The branches that were under way go on from their journals."""


class NotConfirmed(TaskError):
    """A person refused a fan-out of that size or cost."""


class TooManyFailures(TaskError):
    """So many branches of a task failed that no further one starts."""

    ends_run = True


class ModelAccess(TaskError):
    """401, 403, 404: the key or the model name is wrong, for every branch alike."""

    ends_run = True


class RegionRefused(ModelAccess):
    """The provider does not serve the country or region that the worker's requests come from."""


class QuotaExhausted(ModelAccess):
    """The account has no money or quota left: not a rate limit, and waiting brings none."""

    falls_back = True


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
