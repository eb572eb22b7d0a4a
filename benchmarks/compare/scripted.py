"""A scripted endpoint whose rules need not know how an engine names the tools that it offers."""

import re

from tests.support.endpoint_replies import RecordedRequest, Reply
from tests.support.scripted_endpoint import ScriptedEndpoint

HANDOFF = "transfer_to_"


class NameMatchingEndpoint(ScriptedEndpoint):
    """Match tools by the end of their names: `lookup` in a rule calls the first one that ends so.

    `transfer_to_2` calls the second handoff.
    """

    def start_anew(self, rules: list[Reply]) -> None:
        """Replace the rules, and forget all requests."""
        self.rules, self.requests, self._fired, self._busy, self.max_in_flight = rules, [], {}, [], 0

    def _rule(self, asked: RecordedRequest) -> Reply:
        rule = super()._rule(asked)
        calls = [call.model_copy(update={"name": offered(call.name, asked.tools)}) for call in rule.tool_calls]
        return rule.model_copy(update={"tool_calls": calls})


def offered(name: str, tools: list[str]) -> str:
    """Return the offered tool that a rule means by `name`; the name itself where there is none."""
    if number := re.fullmatch(rf"{HANDOFF}(\d+)", name):
        handoffs = [tool for tool in tools if tool.startswith(HANDOFF)]
        return handoffs[int(number[1]) - 1] if len(handoffs) >= int(number[1]) else name
    return next((tool for tool in tools if tool == name), next((tool for tool in tools if tool.endswith(name)), name))
