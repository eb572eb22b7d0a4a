"""YAML text as JSON data, and as nodes that know their lines: nothing runs, and every fault has its line."""

import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from grammar.errors import InvalidFlow
from grammar.loading import yaml_faults, yaml_limits
from grammar.problems import Problem

MAX_BYTES = 16 * 1024 * 1024
MAX_DIGITS = 300

_YAML = "tag:yaml.org,2002:"
_NUMBERS = tuple(_YAML + name for name in ("int", "float", "bool"))


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML as JSON data: dates stay the text they were written as, keys are text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _error("a map is needed here", node)
        self.flatten_mapping(node)
        return {self._key(key): self.construct_object(value, deep=True) for key, value in node.value}

    def construct_scalar(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _error("a text or number is needed here", node)
        return str(node.value)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A number or a boolean, also where its tag is written before a text that is none."""
        if len(self.construct_scalar(node)) > MAX_DIGITS:
            raise _error(f"a number has at most {MAX_DIGITS} digits", node)
        try:
            value: int | float = yaml.SafeLoader.yaml_constructors[node.tag](self, node)
            float(value)
        except OverflowError:
            raise _error("the number is too large", node) from None
        except (ValueError, LookupError):
            raise _error(f"{node.value!r} is not of the type {node.tag.removeprefix(_YAML)}", node) from None
        return value

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            braces = "; a text that begins with `{{` must be in quotes" if isinstance(node, yaml.MappingNode) else ""
            raise _error(f"a key must be text{braces}", node)
        return str(node.value)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _YAML + "timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    **{_YAML + name: yaml.SafeLoader.yaml_constructors[_YAML + name] for name in ("null", "str", "seq", "map")},
    **dict.fromkeys(_NUMBERS, _Loader.construct_number),
    None: yaml.SafeLoader.yaml_constructors[None],
}


def _error(message: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)


def read_map(path: Path, label: str) -> tuple[dict[str, Any], yaml.MappingNode]:
    """Return a YAML file's data, which must be a map, and its root node. `label`: names the file to people.

    Raises InvalidFlow: not a file, too large, not UTF-8, not YAML, no map, a key written twice.
    """
    text = _text(path, label)
    root = _compose(text, label)
    if not isinstance(root, yaml.MappingNode) or root.tag != _YAML + "map":
        raise InvalidFlow([Problem(label, 1, "", "a document must be a map of fields")])
    _check_keys(root, label)
    return _construct(root, text, label), root


def _text(path: Path, label: str) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidFlow([Problem(label, 0, "", "not a file")])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # what `stat` says of a device's file is not its size
        if len(content) > MAX_BYTES:
            raise InvalidFlow([Problem(label, 0, "", "larger than 16 MB; a taskflow document is a short text")])
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFlow([Problem(label, 0, "", f"not UTF-8 text (byte {error.start})")]) from None
    except OSError as error:
        raise InvalidFlow([Problem(label, 0, "", f"cannot be read: {error.strerror}")]) from None


def _compose(text: str, label: str) -> yaml.Node | None:
    try:
        yaml_limits.check(yaml.parse(text, Loader=_Loader), label)
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InvalidFlow([yaml_faults.problem(error, text, label)]) from None


def _construct(root: yaml.MappingNode, text: str, label: str) -> dict[str, Any]:
    loader = _Loader("")
    try:
        return loader.construct_document(root)  # type: ignore[no-any-return]
    except yaml.YAMLError as error:
        raise InvalidFlow([yaml_faults.problem(error, text, label)]) from None
    finally:
        loader.dispose()


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_keys(root: yaml.Node, label: str) -> None:
    problems: list[Problem] = []
    seen: set[int] = set()

    def visit(node: yaml.Node) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            problems.extend(_repeated_keys(node, label))
        for child in _children(node):
            visit(child)

    visit(root)
    if problems:
        raise InvalidFlow(problems)


def _repeated_keys(node: yaml.MappingNode, label: str) -> list[Problem]:
    names: set[Any] = set()
    problems = []
    for key, _ in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is not None and name != "<<" and name in names:
            advice = "write `- ` before each `task:`" if name == "task" else "keep one"
            problems.append(Problem(label, key.start_mark.line + 1, name, f"is written twice; {advice}"))
        names.add(name)
    return problems
