"""What a model endpoint did, as a TaskError (specification section 7)."""

import httpx2
import openai
from agents import AgentsException, ModelBehaviorError, UserError

from activities.model_endpoint.provider_errors import ProviderError
from activities.process.activity_errors import one_line, retry_after
from grammar.errors import (
    BadRequest,
    ModelUnavailable,
    TaskError,
    ToolboxFailed,
    TurnLimit,
    UnknownTool,
)

OUTSIDE = (openai.OpenAIError, httpx2.HTTPError, AgentsException, ConnectionError, TimeoutError)


def understood(error: Exception) -> TaskError:
    """The failure that an exception of the SDK, the client or the connection means."""
    if ours := _ours(error):
        return ours
    if isinstance(error, openai.APIStatusError):
        return _status(error)
    if isinstance(error, UserError):
        return BadRequest(one_line(str(error)))
    if isinstance(error, AgentsException):
        return ToolboxFailed(one_line(str(error)))
    if isinstance(error, openai.APITimeoutError):
        return ModelUnavailable("the model endpoint did not answer in time")
    cause = one_line(str(error.__cause__ or ""))
    said = one_line(str(error)) or type(error).__name__
    return ModelUnavailable(f"the model endpoint failed: {said}" + (f" ({cause})" if cause else ""))


def _ours(error: BaseException | None) -> TaskError | None:
    """The TaskError that the SDK wrapped in errors of its own."""
    while error:
        if isinstance(error, TaskError):
            return error
        error = error.__cause__ or error.__context__
    return None


def misbehaved(error: ModelBehaviorError) -> TaskError:
    """A call of a tool that does not exist is final; any other nonsense may be better the next time."""
    said = one_line(str(error))
    return UnknownTool(said) if "not found in agent" in said else ModelUnavailable(said)


def turn_limit(turns: int) -> TaskError:
    """The agent used up its turns."""
    return TurnLimit(f"no final result after {turns} turns; raise max_steps, or ask for less")


def _status(error: openai.APIStatusError) -> TaskError:
    told = ProviderError.of(error.body or error.message, error.status_code)
    return told.raised(retry_after(dict(error.response.headers)))
