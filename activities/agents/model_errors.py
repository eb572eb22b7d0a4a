"""Exceptions of the model endpoint and of the SDK, as TaskErrors (specification section 7)."""

import httpx2
import openai
from agents import AgentsException, ModelBehaviorError, UserError

from activities.model_endpoint.client import CONNECT_TIMEOUT
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
from grammar.limits import SILENCE

EXPECTED = (openai.OpenAIError, httpx2.HTTPError, AgentsException, ConnectionError, TimeoutError)


def from_exception(error: Exception) -> TaskError:
    """Return the TaskError for an exception of the SDK, the client or the connection (EXPECTED)."""
    if wrapped := _wrapped(error):
        return wrapped
    if isinstance(error, openai.APIStatusError):
        return _status(error)
    if isinstance(error, UserError):
        return BadRequest(one_line(str(error)))
    if isinstance(error, AgentsException):
        return ToolboxFailed(one_line(str(error)))
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        return _timed_out(error)
    cause = one_line(str(error.__cause__ or ""))
    message = one_line(str(error)) or type(error).__name__
    return ModelUnavailable(f"the model endpoint failed: {message}" + (f" ({cause})" if cause else ""))


def _timed_out(error: Exception) -> TaskError:
    if isinstance(error.__cause__, httpx2.ConnectTimeout):
        return ModelUnavailable(f"the model endpoint could not be connected to within {CONNECT_TIMEOUT:g} s")
    return ModelUnavailable(f"the model endpoint said nothing for {SILENCE.told}")


def _wrapped(error: BaseException | None) -> TaskError | None:
    """Return the TaskError that the SDK wrapped in errors of its own, if any."""
    while error:
        if isinstance(error, TaskError):
            return error
        error = error.__cause__ or error.__context__
    return None


def from_behavior(error: ModelBehaviorError) -> TaskError:
    """Return UnknownTool for a call of a tool that does not exist; else ModelUnavailable, which is retried."""
    message = one_line(str(error))
    return UnknownTool(message) if "not found in agent" in message else ModelUnavailable(message)


def turn_limit(turns: int) -> TaskError:
    """Return the TaskError for an agent that used up its turns."""
    return TurnLimit(f"no final result after {turns} turns; raise max_steps, or ask for less")


def _status(error: openai.APIStatusError) -> TaskError:
    told = ProviderError.of(error.body or error.message, error.status_code)
    return told.raised(retry_after(dict(error.response.headers)))
