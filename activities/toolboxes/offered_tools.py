"""The tools of all servers of one agent run, under the names that the model sees."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from mcp.types import Tool

from activities.toolboxes.server import ToolboxServer
from activities.toolboxes.tool_names import ToolNames, handoff_name, is_named, offered_names, told_names
from grammar.messages.activity_results import SeenTool

GONE = "Was offered before, and is listed no more: a call may fail."


class OfferedTools:
    """Hold which tools of which server are offered, and under which names; a name that was given stays.

    `servers`: by the toolbox's reference. `blocked`: names of tools that are not offered. `taken`: names that the model
    sees for other things. `seen`: tools that the model has called, or that were added while it ran, by the names that
    it has seen. They stay: a server that was started anew may list others, and the model would mean what is not there.
    """

    def __init__(
        self,
        servers: Mapping[str, ToolboxServer],
        blocked: Collection[str],
        taken: Collection[str] = (),
        seen: Mapping[str, SeenTool] | None = None,
    ) -> None:
        self._servers = servers
        self._blocked = blocked
        self._taken = taken
        self.seen = {name: tool for name, tool in (seen or {}).items() if tool.toolbox in servers}
        self._first: set[str] | None = None
        self._names: dict[str, ToolNames] = {name: {} for name in servers}
        for offered, tool in self.seen.items():
            self._names[tool.toolbox][offered] = tool.tool
        self._told: dict[str, str] = {}
        self._listed: dict[str, Sequence[Tool]] = {}

    def of(self, toolbox: str) -> list[Tool]:
        """Return the tools of a toolbox, under the names that the model sees."""
        self._follow()
        offered = {own: offered for offered, own in self._names[toolbox].items()}
        listed = self._allowed(toolbox)
        gone = set(offered) - {tool.name for tool in listed}
        return [
            *(tool.model_copy(deep=True, update={"name": offered[tool.name]}) for tool in listed),
            *(_stand_in(offered[own]) for own in sorted(gone) if offered[own] in self.seen),
        ]

    def note_calls(self, names: Iterable[str]) -> dict[str, SeenTool]:
        """Note that the model calls what it sees under these names. Return which tools these are."""
        self._follow()
        return self._note(set(names))

    def note_added(self) -> dict[str, SeenTool]:
        """Note, and return, what servers have added since they were first asked; what is noted already is left out."""
        self._follow()
        return self._note(self._offered() - (self._first or set()))

    def own_name(self, toolbox: str, offered: str) -> str:
        """Return the server's name of a tool that the model sees as `offered`."""
        self._follow()
        return self._names[toolbox][offered]

    def told_name(self, offered: str) -> str:
        """Return the name by which people and results know a tool; as it is, where it is no server's."""
        self._follow()
        return self._told.get(offered, offered)

    def offered_as(self, name: str) -> list[str]:
        """Return what the model sees of the tools that a person may mean by the name; none: there is no such tool."""
        self._follow()
        names = {offered: (toolbox, own) for toolbox, found in self._names.items() for offered, own in found.items()}
        if exact := [found for found in (name, handoff_name(name)) if found in self._taken or found in names]:
            return exact[:1]
        return [offered for offered, (toolbox, own) in names.items() if is_named(own, toolbox, [name])]

    def _offered(self) -> set[str]:
        return {offered for names in self._names.values() for offered in names}

    def _note(self, names: Collection[str]) -> dict[str, SeenTool]:
        found = {
            offered: SeenTool(toolbox=toolbox, tool=own)
            for toolbox, of_toolbox in self._names.items()
            for offered, own in of_toolbox.items()
            if offered in names and offered not in self.seen
        }
        self.seen |= found
        return found

    def _allowed(self, toolbox: str) -> list[Tool]:
        return [tool for tool in self._servers[toolbox].tools if not is_named(tool.name, toolbox, self._blocked)]

    def _follow(self) -> None:
        """Give names to what servers have listed since."""
        listed: dict[str, Sequence[Tool]] = {name: server.tools for name, server in self._servers.items()}
        if listed.keys() == self._listed.keys() and all(listed[name] is self._listed[name] for name in listed):
            return
        self._listed = listed
        own_names = {name: [tool.name for tool in self._allowed(name)] for name in self._servers}
        self._names = offered_names(own_names, self._taken, self._names)
        self._told = told_names(self._names)
        self._first = self._offered() if self._first is None else self._first


def _stand_in(name: str) -> Tool:
    """Return what is offered in place of a tool that its server lists no more: called, it gets the server's answer."""
    return Tool(name=name, description=GONE, input_schema={"type": "object"})
