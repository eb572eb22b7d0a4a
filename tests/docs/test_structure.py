"""How the house is built: small folders, files and functions, one class of each name, docstrings on what is public."""

import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import PurePosixPath

import pytest

from tests.docs.pages import ROOT

MAX_FILES = 16
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 45

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SourceFile:
    """A Python file. `path`: from the root of the repository, with slashes."""

    path: str
    text: str

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    def at(self, node: Function | ast.ClassDef) -> str:
        return f"{self.path}:{node.lineno} {node.name}"


@cache
def sources() -> tuple[SourceFile, ...]:
    """All Python files of the project: those that git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    paths = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    there = [path for path in sorted(set(paths)) if (ROOT / path).is_file()]
    return tuple(SourceFile(path, (ROOT / path).read_text(encoding="utf-8")) for path in there)


# What is public: at the top of a module, or in a class that is public itself


def public_classes(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef]:
    for child in blocks(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield child
            yield from public_classes(child)


def public_functions(node: ast.Module | ast.ClassDef) -> Iterator[Function]:
    return (child for child in blocks(node) if isinstance(child, Function) and not child.name.startswith("_"))


def blocks(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a module or class, those under an `if` or `try` too, but none of a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, Function | ast.ClassDef):
            yield from blocks(child)


# Folders


def crowded_folders(files: Iterable[SourceFile]) -> list[str]:
    """Folders with too many files; in those of tests and in `commands`, there is one for each module or command."""
    folders = Counter(str(PurePosixPath(file.path).parent) for file in files if not file.is_test)
    del folders["commands"]
    return [f"{folder}: {number} files" for folder, number in folders.items() if number > MAX_FILES]


def test_no_folder_is_crowded() -> None:
    found = crowded_folders(sources())
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("folder", "files", "is_crowded"),
    [
        ("room", 16, False),
        ("room", 17, True),
        ("room/shelf", 17, True),
        ("commands", 17, False),
        ("tests/a", 17, False),
    ],
)
def test_a_crowded_folder_would_be_found(folder: str, files: int, is_crowded: bool) -> None:
    planted = [SourceFile(f"{folder}/module_{number}.py", "") for number in range(files)]
    assert crowded_folders(planted) == ([f"{folder}: {files} files"] if is_crowded else [])


# Files


def long_files(files: Iterable[SourceFile]) -> list[str]:
    sizes = ((file.path, len(file.text.splitlines())) for file in files if not file.is_test)
    return [f"{path}: {lines} lines" for path, lines in sizes if lines > MAX_FILE_LINES]


def test_no_file_is_long() -> None:
    found = long_files(sources())
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "lines", "is_long"), [("a.py", 300, False), ("a/b.py", 301, True), ("tests/test_a.py", 301, False)]
)
def test_a_long_file_would_be_found(path: str, lines: int, is_long: bool) -> None:
    assert long_files([SourceFile(path, "x = 1\n" * lines)]) == ([f"{path}: {lines} lines"] if is_long else [])


# Functions


def long_functions(files: Iterable[SourceFile]) -> list[str]:
    found = []
    for file in files:
        for node in ast.walk(file.tree) if not file.is_test else ():
            if isinstance(node, Function) and (lines := function_lines(node)) > MAX_FUNCTION_LINES:
                found.append(f"{file.at(node)}: {lines} lines")
    return found


def function_lines(node: Function) -> int:
    """From `def` to the end; of a command, from its body on: its options are declared above."""
    start = node.body[0].lineno if is_command(node) else node.lineno
    return (node.end_lineno or node.lineno) - start + 1


def is_command(node: Function) -> bool:
    """Whether the command line calls it: it is registered by a decorator, or declares options."""
    decorators = [decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in node.decorator_list]
    registered = any(isinstance(name, ast.Attribute) and name.attr in ("command", "callback") for name in decorators)
    return registered or any(declares_option(argument) for argument in (*node.args.args, *node.args.kwonlyargs))


def declares_option(argument: ast.arg) -> bool:
    """`Annotated[..., typer.Option(...)]`, or an alias of one in commands/options.py."""
    names = [node for node in ast.walk(argument.annotation or ast.Pass()) if isinstance(node, ast.Attribute)]
    return any(ast.unparse(name) in ("typer.Option", "typer.Argument") or owner(name) == "options" for name in names)


def owner(name: ast.Attribute) -> str:
    return name.value.id if isinstance(name.value, ast.Name) else ""


def test_no_function_is_long() -> None:
    found = long_functions(sources())
    assert not found, "\n".join(found)


def function(parameters: Sequence[str], body: int, before: str = "") -> SourceFile:
    declared = "".join(f"    {parameter},\n" for parameter in parameters)
    return SourceFile("room/module.py", f"{before}def long(\n{declared}):\n" + "    x = 1\n" * body)


@pytest.mark.parametrize(
    "planted",
    [
        function([], 44),
        function(["a"], 43),
        SourceFile("room/module.py", "class A:\n    async def long(self):\n" + "        x = 1\n" * 45),
        SourceFile("room/module.py", "def a():\n    def long():\n" + "        x = 1\n" * 45),
        function(["a: Annotated[int, typer.Option()]"] * 50, 46),
        function(["a: options.A = 1"] * 50, 46),
        function(["a"] * 50, 46, "@app.command('run')\n"),
    ],
)
def test_a_long_function_would_be_found(planted: SourceFile) -> None:
    assert any("long: 46 lines" in found for found in long_functions([planted]))
    assert long_functions([SourceFile("tests/test_module.py", planted.text)]) == []


@pytest.mark.parametrize(
    "planted",
    [
        function([], 43),
        function(["a: Annotated[int, typer.Option()]"] * 50, 45),
        function(["a: options.A = 1"] * 50, 45),
        function(["a"] * 50, 45, "@app.command('run')\n"),
    ],
)
def test_a_function_that_fits_would_not(planted: SourceFile) -> None:
    assert long_functions([planted]) == []


# Names of classes


def shared_class_names(files: Iterable[SourceFile]) -> list[str]:
    places = defaultdict[str, list[str]](list)
    for file in files:
        for name in {node.name for node in public_classes(file.tree)}:
            places[name].append(file.path)
    return [f"{name}: {', '.join(paths)}" for name, paths in sorted(places.items()) if len(paths) > 1]


def test_no_class_name_stands_in_two_modules() -> None:
    found = shared_class_names(sources())
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("second", "is_shared"),
    [
        ("class Page: ...", True),
        ("class Book:\n    class Page: ...", True),
        ("if True:\n    class Page: ...", True),
        ("class _Page: ...", False),
        ("class _Book:\n    class Page: ...", False),
        ("def page():\n    class Page: ...", False),
    ],
)
def test_a_class_name_in_two_modules_would_be_found(second: str, is_shared: bool) -> None:
    planted = [SourceFile("room/one.py", "class Page: ..."), SourceFile("tests/two.py", second)]
    assert shared_class_names(planted) == (["Page: room/one.py, tests/two.py"] if is_shared else [])


# Docstrings


def undocumented(files: Iterable[SourceFile]) -> list[str]:
    found = []
    for file in files:
        if file.is_test or file.path.startswith("benchmarks/"):  # programs, and no module for anybody else
            continue
        classes = list(public_classes(file.tree))
        functions = [*public_functions(file.tree), *chain.from_iterable(map(public_functions, classes))]
        found += [file.at(node) for node in (*classes, *functions) if not has_docstring(node)]
    return found


def has_docstring(node: Function | ast.ClassDef) -> bool:
    """The variants of an overloaded function have that of the function."""
    return bool(ast.get_docstring(node)) or any(ast.unparse(name) == "overload" for name in node.decorator_list)


def test_all_that_is_public_has_a_docstring() -> None:
    found = undocumented(sources())
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def a(): ...", "room/module.py:1 a"),
        ("async def a(): ...", "room/module.py:1 a"),
        ("class A: ...", "room/module.py:1 A"),
        ('class A:\n    "It is."\n    def a(self): ...', "room/module.py:3 a"),
        ('class A:\n    "It is."\n    class B: ...', "room/module.py:3 B"),
        ("try:\n    pass\nfinally:\n    def a(): ...", "room/module.py:4 a"),
        ("@overload\ndef a(): ...", ""),
        ("def _a(): ...", ""),
        ("class _A:\n    def a(self): ...", ""),
        ('class A:\n    "It is."\n    def __init__(self): ...', ""),
        ('def a():\n    "Do it."\n    def b(): ...', ""),
    ],
)
def test_what_has_no_docstring_would_be_found(text: str, found: str) -> None:
    assert undocumented([SourceFile("room/module.py", text)]) == ([found] if found else [])
    assert undocumented([SourceFile("tests/module.py", text)]) == []
