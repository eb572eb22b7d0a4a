"""`inspect`: what a flow would do, before anything of it is run."""

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from commands import options
from console.model_tables import EMBEDDED
from console.printable import printable
from console.problems import print_json, print_warnings
from console.screen import open_screen
from grammar.inspection import inspection
from grammar.inspection.inspection import InspectedAgents, InspectedScript, InspectedToolbox, Inspection
from grammar.loading import bundle
from grammar.loading.source import display

_LINES_OF_SCRIPT = 5
_SCRIPTS = "scripts: bash, in the folder that the run is started in; they get the environment but for the models' keys"
_HOSTS = "hosts: whom the run talks to by itself; scripts and tools may talk to anybody"
_VARIABLES = "variables: what env() reads, and the models' keys"
Rows = Iterable[Sequence[str]]


def inspect(
    flow: options.Flow,
    globals_: options.Globals = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Tell what FLOW would do: commands, toolboxes, hosts, variables, models, files; run and ask nothing."""
    screen = open_screen(json, quiet)
    loaded = bundle.load(bundle.lint_options(options.load_options(flow, globals_, model_config, path, strict), flow))
    print_warnings(screen, loaded.warnings)
    found = inspection.inspect(loaded, os.environ)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        for line in _lines(found):
            screen.out.print(Text(line, "" if line.startswith(" ") else "bold"))
    return 0


def _lines(found: Inspection) -> Iterator[str]:
    yield f"{_cell(found.source)}  hash {found.hash}"
    yield from _section("files", ((file.kind, display(file.path), _place(file.place)) for file in found.files))
    yield from _section(_SCRIPTS, [row for script in found.scripts for row in _script(script)])
    yield from _section("agents", [row for agents in found.agents for row in _agents(agents)])
    yield from _section(
        "toolboxes: MCP servers; which tools one has, it tells when it runs",
        [row for box in found.toolboxes for row in _toolbox(box)],
    )
    yield from _section("models", ((use.model, f"for {_list(use.tasks)}", _key(use.token)) for use in found.models))
    yield from _section(_HOSTS, ((host.url or EMBEDDED, f"{host.purpose} {host.name}") for host in found.hosts))
    variables = found.variables
    yield from _section(
        _VARIABLES, ((one.name or "a computed name", one.standing, _list(one.used_by)) for one in variables)
    )


def _section(title: str, rows: Rows) -> Iterator[str]:
    """The rows in columns, all but the last as wide as it takes; nothing where there are none."""
    rows = [[_cell(cell) for cell in row] for row in rows]
    if not rows:
        return
    yield title
    for row in rows:
        widths = [max(len(other[place]) for other in rows if len(other) > place + 1) for place in range(len(row) - 1)]
        cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        yield f"  {'  '.join(cells)}".rstrip()


def _cell(text: str) -> str:
    """The text in one line: a name with several could pass for lines of ours."""
    return " ".join(printable(text).splitlines())


def _script(script: InspectedScript) -> Iterator[Sequence[str]]:
    lines = [line for line in script.script.splitlines() if line.strip()]
    more = len(lines) - _LINES_OF_SCRIPT
    shown = lines if more <= 1 else [*lines[:_LINES_OF_SCRIPT], f"... {more} more lines: --json has them"]
    for number, line in enumerate(shown or [""]):
        yield (f"{script.task}{_each(script.repeats)}" if number == 0 else "", line)


def _agents(agents: InspectedAgents) -> Iterator[Sequence[str]]:
    blocked = f", but for {_list(agents.blocked_tools)}" if agents.blocked_tools else ""
    tools = f"tools of {_list(agents.toolboxes)}{blocked}" if agents.toolboxes else "no tools"
    unasked = "; nobody is asked" if agents.headless else ""
    yield (f"{agents.task}{_each(agents.repeats)}", _list(agents.personalities), f"{tools}{unasked}")


def _toolbox(box: InspectedToolbox) -> Iterator[Sequence[str]]:
    words = [word if "{{" in word else shlex.quote(word) for word in box.command]
    yield (box.name, f"runs {' '.join(words)}" if words else f"asks {box.url}")
    if box.confirm:
        yield ("", f"asks a person before: {_list(box.confirm)}")
    if given := [*box.sets, *box.headers]:
        yield ("", f"is given {_list(given)}")


def _each(repeats: bool) -> str:
    return " (for each item)" if repeats else ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _key(token: str | None) -> str:
    return f"with the key in {token}" if token else "without a key"


def _place(place: str) -> str:
    return {"path": "", "package": "an installed package", "here": "the working directory"}.get(place, place)
