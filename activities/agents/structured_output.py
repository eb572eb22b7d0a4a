"""Generation that is held to the task's `outputs`, where the model's API can do that (specification section 5)."""

from typing import Any

from agents import Agent, AgentOutputSchemaBase

from grammar.errors import BadRequest, TaskError
from grammar.messages.activity_requests import AgentRequest
from grammar.preparing import outputs

_REFUSED = ("response_format", "text.format", "output_config", "json_schema", "structured output")


class OutputsSchema(AgentOutputSchemaBase):
    """Give the API the task's `outputs` as they are. What comes back is validated by us, not by the SDK."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema

    def is_plain_text(self) -> bool:
        """Return False: the output is JSON."""
        return False

    def name(self) -> str:
        """Return the name that the API shows."""
        return "outputs"

    def json_schema(self) -> dict[str, Any]:
        """Return the schema."""
        return self._schema

    def is_strict_json_schema(self) -> bool:
        """Return whether each object requires all its properties and allows no others, as strict mode asks."""
        return outputs.is_closed(self._schema)

    def validate_json(self, json_str: str) -> Any:
        """Return the text as it is."""
        return json_str


def output_type(request: AgentRequest) -> OutputsSchema | None:
    """Return what the final text is held to, the SDK's `output_type`; None where nothing can be.

    The APIs take the schema of an object only, and a tool's result is not generated.
    """
    schema = request.outputs
    if request.capture != "response" or not isinstance(schema, dict) or schema.get("type") != "object":
        return None
    return OutputsSchema(schema)


def is_refused(error: TaskError) -> bool:
    """Return whether the endpoint says that it cannot hold a model to a schema, or not to this one."""
    return isinstance(error, BadRequest) and any(mark in str(error).lower() for mark in _REFUSED)


def disable(agent: Agent) -> bool:
    """Have the agent and its handoff targets answer without a schema from now on. Return False where none had one."""
    team = [agent, *(target for target in agent.handoffs if isinstance(target, Agent))]
    constrained = [member for member in team if member.output_type is not None]
    for member in constrained:
        member.output_type = None
    return bool(constrained)
