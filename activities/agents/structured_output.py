"""Generation that is held to the task's `outputs`, where the model's API can do that (specification section 5)."""

from typing import Any

from agents import Agent, AgentOutputSchemaBase

from grammar.errors import BadRequest, TaskError
from grammar.messages.activity_requests import AgentRequest
from grammar.preparing import outputs

_REFUSED = ("response_format", "text.format", "json_schema", "structured output")


class OutputsSchema(AgentOutputSchemaBase):
    """The schema as the API is given it. What comes back is checked by us, not by the SDK."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema

    def is_plain_text(self) -> bool:
        return False

    def name(self) -> str:
        return "outputs"

    def json_schema(self) -> dict[str, Any]:
        return self._schema

    def is_strict_json_schema(self) -> bool:
        return outputs.is_closed(self._schema)

    def validate_json(self, json_str: str) -> Any:
        return json_str


def constraint(request: AgentRequest) -> OutputsSchema | None:
    """What the final text is held to. The APIs take a schema of an object only; a tool's result is not generated."""
    schema = request.outputs
    if request.capture != "response" or not isinstance(schema, dict) or schema.get("type") != "object":
        return None
    return OutputsSchema(schema)


def is_refused(error: TaskError) -> bool:
    """Whether the endpoint says that it cannot hold a model to a schema, or not to this one."""
    return isinstance(error, BadRequest) and any(mark in str(error).lower() for mark in _REFUSED)


def lift(agent: Agent) -> bool:
    """Ask without the constraint from now on. False where there was none."""
    team = [agent, *(one for one in agent.handoffs if isinstance(one, Agent))]
    constrained = [one for one in team if one.output_type is not None]
    for one in constrained:
        one.output_type = None
    return bool(constrained)
