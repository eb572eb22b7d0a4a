"""The tools of all servers of one agent run, under the names that the model sees."""

from collections.abc import Collection, Mapping, Sequence

from mcp.types import Tool

from activities.toolboxes.server import ToolboxServer
from activities.toolboxes.tool_names import ToolNames, offered_names, told_names


class OfferedTools:
    """Hold which tools of which server are offered, and under which names; a name that was given stays.

    `servers`: by the toolbox's reference. `blocked`: the servers' names of tools that are not offered. `taken`: names
    that the model sees for other things.
    """

    def __init__(
        self, servers: Mapping[str, ToolboxServer], blocked: Collection[str], taken: Collection[str] = ()
    ) -> None:
        self._servers = servers
        self._blocked = set(blocked)
        self._taken = taken
        self._names: dict[str, ToolNames] = {}
        self._told: dict[str, str] = {}
        self._listed: dict[str, Sequence[Tool]] = {}

    def of(self, toolbox: str) -> list[Tool]:
        """Return the tools of a toolbox, under the names that the model sees."""
        self._follow()
        offered = {own: offered for offered, own in self._names[toolbox].items()}
        return [tool.model_copy(deep=True, update={"name": offered[tool.name]}) for tool in self._allowed(toolbox)]

    def own_name(self, toolbox: str, offered: str) -> str:
        """Return the server's name of a tool that the model sees as `offered`."""
        self._follow()
        return self._names[toolbox][offered]

    def told_name(self, offered: str) -> str:
        """Return the name by which people and results know a tool; as it is, where it is no server's."""
        self._follow()
        return self._told.get(offered, offered)

    def _allowed(self, toolbox: str) -> list[Tool]:
        return [tool for tool in self._servers[toolbox].tools if tool.name not in self._blocked]

    def _follow(self) -> None:
        """Give names to what servers have listed since."""
        listed: dict[str, Sequence[Tool]] = {name: server.tools for name, server in self._servers.items()}
        if listed.keys() == self._listed.keys() and all(listed[name] is self._listed[name] for name in listed):
            return
        self._listed = listed
        own_names = {name: [tool.name for tool in self._allowed(name)] for name in self._servers}
        self._names = offered_names(own_names, self._taken, self._names)
        self._told = told_names(self._names)
