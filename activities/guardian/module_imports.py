"""What a Python module imports: found in its source, and imported without it.

Nothing of the module's own package, or of the folder of a script, is run: such files are read, and what they import
from elsewhere counts. Standard library only: templates load this.
"""

import ast
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One import: of a module, and of names in it, some of which may be modules. Absolute."""

    module: str
    names: tuple[str, ...] = ()


def load(command: Sequence[str]) -> None:
    """Import what `-m MODULE` or `SCRIPT` imports. What cannot be imported is left out: the server will say so."""
    for found in imports(command):
        with suppress(Exception):
            module = importlib.import_module(found.module)
            for name in found.names:
                if name != "*" and not hasattr(module, name):
                    importlib.import_module(f"{found.module}.{name}")


def imports(command: Sequence[str]) -> list[Import]:
    """Return the imports that `-m MODULE` or `SCRIPT` leads to, outside of its package or folder, in their order."""
    if command[0] == "-m":
        reader = _Reader([], command[1].partition(".")[0])
        reader.follow_module(command[1])
        reader.follow_module(f"{command[1]}.__main__")
    else:
        script = Path(command[0])
        reader = _Reader([str(script.resolve().parent)], None)
        reader.follow_file(script, "__main__", is_package=False)
    return list(reader.found)


class _Reader:
    """Reads one file after the other. `own`: the package that is not imported; None: what is in the `folders`."""

    def __init__(self, folders: Sequence[str], own: str | None) -> None:
        self._folders = folders
        self._own = own
        self._seen: set[str] = set()
        self.found: dict[Import, None] = {}

    def follow_module(self, name: str) -> None:
        """Read a module of the package, after the packages that it is in."""
        first, *others = name.split(".")
        place = _top(first, self._folders)
        for end, part in enumerate([first, *others]):
            if end:
                place = _below(place.folders, part)
            if place.file:
                self.follow_file(place.file, ".".join([first, *others[:end]]), is_package=bool(place.folders))

    def follow_file(self, path: Path, name: str, is_package: bool) -> None:
        """Read a file once. `name`: of the module that it is."""
        if name in self._seen:
            return
        self._seen.add(name)
        with suppress(OSError, SyntaxError, ValueError):
            for found in _imports(ast.parse(path.read_bytes()).body, name if is_package else name.rpartition(".")[0]):
                if self._is_own(found.module):
                    for module in (found.module, *(f"{found.module}.{each}" for each in found.names)):
                        self.follow_module(module)
                else:
                    self.found[found] = None

    def _is_own(self, module: str) -> bool:
        first = module.partition(".")[0]
        if self._own is not None:
            return first == self._own
        return first not in sys.stdlib_module_names and _below(self._folders, first) != _NOWHERE


class _Place(NamedTuple):
    """Where a module is: its file, and of a package, where its modules are. Packages may have no file."""

    file: Path | None = None
    folders: Sequence[str] = ()


_NOWHERE = _Place()


def _top(name: str, folders: Sequence[str]) -> _Place:
    """Find a module that is in no package, without importing anything."""
    if (place := _below(folders, name)) != _NOWHERE:
        return place
    spec = find_spec(name)
    file = Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    return _Place(file, tuple(spec.submodule_search_locations or ())) if spec else _NOWHERE


def _below(folders: Sequence[str], name: str) -> _Place:
    """Find a module in folders, as Python does: a package, a module, else folders that are a package without a file."""
    found = []
    for folder in folders:
        package = Path(folder, name)
        if (package / "__init__.py").is_file():
            return _Place(package / "__init__.py", (str(package),))
        if package.with_name(f"{name}.py").is_file():
            return _Place(package.with_name(f"{name}.py"))
        if package.is_dir():
            found.append(str(package))
    return _Place(None, tuple(found))


def _imports(body: Sequence[ast.stmt], package: str) -> Iterator[Import]:
    """What is imported when the statements are run; what functions import, and types alone, is left out."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from (Import(alias.name) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            if module := _absolute(statement, package):
                yield Import(module, tuple(alias.name for alias in statement.names))
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                if part != "body" or not _is_for_types(statement):
                    yield from _imports(getattr(statement, part, []), package)
            for handler in getattr(statement, "handlers", []):
                yield from _imports(handler.body, package)


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    """The name of the module that is imported from; empty where there is none."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".")[: len(package.split(".")) - statement.level + 1] if package else []
    return ".".join([*parts, *([statement.module] if statement.module else [])]) if parts else ""


def _is_for_types(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If):
        return False
    test = statement.test
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))
