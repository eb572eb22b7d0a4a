"""What processes that ask a model's endpoint, and the workflow that deals out its limits, tell each other."""

from pydantic import BaseModel

from grammar.documents.model_reach import EndpointLimits


class ShareRequest(BaseModel):
    """Asks the limiter for a share of what the endpoint takes. It answers with a Share."""

    process: str
    """What tells the process from others that ask."""
    limits: EndpointLimits
    """What the endpoint takes, as far as this process has been told."""
    waiting: int = 0
    """How many requests wait to be sent."""
    expected: int = 0
    """How many more are to come within a second, as those of the last one tell."""
    in_flight: int = 0
    """How many requests have been sent, and are not answered."""
    tokens: float = 0
    """How many tokens a request takes, about."""
    overspent: float = 0
    """How many tokens more the answers took than was asked for them, since the last time; negative where less."""


class Share(BaseModel):
    """What one process may ask of the endpoint. Times are in seconds, from when it was dealt."""

    slots: int | None = None
    """How many requests it may send, each at its time; None: no limit says when."""
    first: float = 0
    """When the first of them may be sent."""
    every: float = 0
    """How long after each of them the next one may be sent."""
    at_once: int | None = None
    """How many it may have in flight; None: any number."""
    hold: float = 0
    """For how long nobody may send any; 0: it is not held."""
    again: float = 1
    """After how long to ask again, where more is needed, or is in flight."""


class Hold(BaseModel):
    """Has nobody send a request for a while: the endpoint has refused one."""

    seconds: float
    """For how long."""


class AskingProcess(BaseModel):
    """What the limiter knows of a process that asks."""

    limits: EndpointLimits
    """What it has been told of limits."""
    asked: float
    """When it asked last, in seconds since the epoch, as all times here."""
    needed: int = 0
    """How many requests it had waiting or in flight."""
    at_once: int = 0
    """How many of the endpoint's places it has."""


class LimiterState(BaseModel):
    """What the limiter of an endpoint knows: the input of its workflow, and of each later history."""

    next_request: float = 0
    """When the next request may be sent that has not been dealt out."""
    next_tokens: float = 0
    """The same, as far as the tokens go of those that have been."""
    held_until: float = 0
    """Until when nobody may send any."""
    processes: dict[str, AskingProcess] = {}
    """The processes that asked lately."""
