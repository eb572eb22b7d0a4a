"""A YAML file, read once: its data, and the line that any part of it stands on."""

import stat
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from grammar.documents.models import KINDS, Document
from grammar.errors import InvalidFlow, Problem
from grammar.loading import yaml_limits

D = TypeVar("D", bound=Document)

HEADER = "seclab-taskflow-agent"
MAX_BYTES = 16 * 1024 * 1024
MAX_DIGITS = 300

_TYPE_NAMES = {
    dict: "a map",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "a boolean",
}


_YAML = "tag:yaml.org,2002:"
_NUMBERS = tuple(_YAML + name for name in ("int", "float", "bool"))


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML as JSON data: dates stay the text they were written as, keys are text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _wrong("a map is needed here", node)
        self.flatten_mapping(node)
        return {self._key(key): self.construct_object(value, deep=True) for key, value in node.value}

    def construct_scalar(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _wrong("a text or number is needed here", node)
        return str(node.value)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A number or a boolean, also where its tag is written before a text that is none."""
        if len(self.construct_scalar(node)) > MAX_DIGITS:
            raise _wrong(f"a number has at most {MAX_DIGITS} digits", node)
        try:
            value: int | float = yaml.SafeLoader.yaml_constructors[node.tag](self, node)
            float(value)
        except OverflowError:
            raise _wrong("the number is too large", node) from None
        except (ValueError, LookupError):
            raise _wrong(f"{node.value!r} is not of the type {node.tag.removeprefix(_YAML)}", node) from None
        return value

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _wrong("a key must be text", node)
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


def _wrong(message: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)


@dataclass(frozen=True)
class Source:
    """One document: where it is, its data without the header, and its YAML nodes. `filetype`: what its header says."""

    path: Path
    label: str
    data: dict[str, Any]
    root: yaml.MappingNode
    filetype: str | None = None

    def line(self, where: Sequence[str | int] = ()) -> int:
        """The line of the part that `where` leads to, or of the nearest part above it."""
        return _locate(self.root, where).start_mark.line + 1

    def text_line(self, where: Sequence[str | int], line: int = 1) -> int:
        """The line of the file on which that line of the text there stands; of any text but a `|` one: the first."""
        node = _locate(self.root, where)
        style = getattr(node, "style", None)
        first = int(node.start_mark.line) + 1 + (style in ("|", ">"))
        return first + line - 1 if style == "|" else first

    def problem(self, where: Sequence[str | int], message: str) -> Problem:
        """That part of the file is wrong."""
        return Problem(self.label, self.line(where), field_name(where), message)

    def parse(self, kind: str) -> Document:
        """The document as data. Raises InvalidFlow with every problem in it."""
        return self.validate(KINDS[kind], self.data)

    def validate(self, model: type[D], data: Any, where: tuple[str | int, ...] = ()) -> D:
        """`data`, which stands at `where`, as a `model`. Raises InvalidFlow."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            raise InvalidFlow(self._problems(error, where)) from None

    def sound(
        self, model: type[Document], data: dict[str, Any], where: tuple[str | int, ...] = ()
    ) -> tuple[dict[str, Any], list[Problem]]:
        """The fields of `data` that are as a `model` has them, and what is wrong with the others."""
        try:
            model.model_validate(data)
        except ValidationError as error:
            wrong = {e["loc"][0] for e in error.errors() if e["loc"]}
            return {name: value for name, value in data.items() if name not in wrong}, self._problems(error, where)
        return data, []

    def _problems(self, error: ValidationError, where: tuple[str | int, ...]) -> list[Problem]:
        return [self.problem((*where, *_path(e["loc"])), _message(e)) for e in error.errors()]


def field_name(where: Sequence[str | int]) -> str:
    """`taskflow[0].task.run` from its path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


def read(path: Path, label: str | None = None, kind: str | None = None) -> Source:
    """Read and check the frame of one document; `kind` is what its referrer expects. Raises InvalidFlow."""
    label = label or display(path)
    root = _compose(_text(path, label), label)
    if not isinstance(root, yaml.MappingNode) or root.tag != _YAML + "map":
        raise InvalidFlow([Problem(label, 1, "", "a document must be a map of fields")])
    _check_keys(root, label)
    data = _construct(root, label)
    source = Source(path, label, data, root)
    return replace(source, filetype=_check_header(source, data.pop(HEADER, None), kind))


def display(path: Path) -> str:
    """The path as a person would write it: relative to the working directory where it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _text(path: Path, label: str) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidFlow([Problem(label, 0, "", "not a file")])
        with path.open("rb") as file:
            written = file.read(MAX_BYTES + 1)  # what `stat` says of a device's file is not its size
        if len(written) > MAX_BYTES:
            raise InvalidFlow([Problem(label, 0, "", "larger than 16 MB; a taskflow document is a short text")])
        return written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFlow([Problem(label, 0, "", f"not UTF-8 text (byte {error.start})")]) from None
    except OSError as error:
        raise InvalidFlow([Problem(label, 0, "", f"cannot be read: {error.strerror}")]) from None


def _compose(text: str, label: str) -> yaml.Node | None:
    try:
        yaml_limits.check(yaml.parse(text, Loader=_Loader), label)
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InvalidFlow([_yaml_problem(error, label)]) from None


def _construct(root: yaml.MappingNode, label: str) -> dict[str, Any]:
    loader = _Loader("")
    try:
        return loader.construct_document(root)  # type: ignore[no-any-return]
    except yaml.YAMLError as error:
        raise InvalidFlow([_yaml_problem(error, label)]) from None
    finally:
        loader.dispose()


def _yaml_problem(error: yaml.YAMLError, label: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.reader.ReaderError):
        return Problem(label, 0, "", f"not YAML: {error.reason} at character {error.position}")
    text = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(label, mark.line + 1 if mark else 0, "", f"not YAML: {text}")


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
            problems.append(Problem(label, key.start_mark.line + 1, name, "is written twice; keep one"))
        names.add(name)
    return problems


def _check_header(source: Source, header: Any, kind: str | None) -> str | None:
    """The file type that the header names. Raises InvalidFlow."""
    if header is None:
        return None
    if not isinstance(header, dict):
        raise InvalidFlow([source.problem((HEADER,), "must be a map with `version` and `filetype`")])
    version, filetype = header.get("version"), header.get("filetype")
    if isinstance(version, bool) or str(version) not in ("1", "1.0"):
        raise InvalidFlow([source.problem((HEADER, "version"), f"version {version!r} is not supported; use 1.0")])
    if not isinstance(filetype, str) or filetype not in KINDS:
        known = ", ".join(KINDS)
        raise InvalidFlow([source.problem((HEADER, "filetype"), f"{filetype!r} is not one of {known}")])
    if kind and filetype != kind:
        message = f"is a {filetype}, but a {kind} is needed here"
        raise InvalidFlow([source.problem((HEADER, "filetype"), message)])
    return filetype


def _locate(root: yaml.Node, where: Sequence[str | int]) -> yaml.Node:
    node = root
    for step in where:
        child = _child(node, step)
        if child is None:
            break
        node = child
    return node


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return _by_key(node).get(str(step))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]  # type: ignore[no-any-return]
    return None


@lru_cache(maxsize=16)
def _by_key(node: yaml.MappingNode) -> Mapping[str, yaml.Node]:
    """The parts of a map; many problems can stand in one."""
    return {key.value: value for key, value in reversed(node.value) if isinstance(key, yaml.ScalarNode)}


def _path(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """pydantic adds the branch of a union to its path; such steps are not in the file."""
    return tuple(step for step in loc if not isinstance(step, str) or not _union_step(step))


def _union_step(step: str) -> bool:
    return step in ("bool", "[key]") or step.startswith(("dict[", "list[", "function-", "json-or-python"))


def _message(error: Any) -> str:
    got = _TYPE_NAMES.get(type(error["input"]), type(error["input"]).__name__)
    wanted = {
        "string_type": f"must be text, not {got}",
        "bool_type": f"must be true or false, not {got}",
        "bool_parsing": f"must be true or false, not {error['input']!r}",
        "int_type": f"must be a whole number, not {got}",
        "int_parsing": f"must be a whole number, not {error['input']!r}",
        "int_from_float": f"must be a whole number, not {error['input']!r}",
        "float_parsing": f"must be a number, not {error['input']!r}",
        "tuple_type": f"must be a list, not {got}",
        "list_type": f"must be a list, not {got}",
        "dict_type": f"must be a map, not {got}",
        "model_type": f"must be a map, not {got}",
        "missing": "is required",
        "too_short": "must not be empty",
    }.get(error["type"])
    return wanted or str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
