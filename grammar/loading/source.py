"""A document, read once: its data, and the line that any part of it stands on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from grammar.documents.document import Document
from grammar.documents.models import KINDS
from grammar.errors import InvalidFlow
from grammar.loading.yaml_reader import read_map
from grammar.problems import Problem

D = TypeVar("D", bound=Document)
FieldPath = tuple[str | int, ...]
"""Where in a document something stands: `("taskflow", 0, "task", "run")`."""

HEADER = "seclab-taskflow-agent"

_TYPE_NAMES = {
    dict: "a map",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "a boolean",
}


@dataclass(frozen=True)
class Source:
    """One document: where it is, what is in it, and on which lines."""

    path: Path
    """The file."""
    label: str
    """The file, as people call it."""
    data: dict[str, Any]
    """What is in it, without the header, as JSON data."""
    root: yaml.MappingNode
    """Its YAML nodes, the header included."""
    filetype: str | None = None
    """The kind that its header names; None: it has no header."""

    def line(self, where: Sequence[str | int] = ()) -> int:
        """Return the line, from 1, of the part that `where` leads to, or of the nearest part above it."""
        return _locate(self.root, where).start_mark.line + 1

    def text_line(self, where: Sequence[str | int], line: int = 1) -> int:
        """Return the line of the file, from 1, on which that line of the text at `where` stands.

        Only a `|` text keeps its lines; of any other one, it is the first line.
        """
        node = _locate(self.root, where)
        style = getattr(node, "style", None)
        first = int(node.start_mark.line) + 1 + (style in ("|", ">"))
        return first + line - 1 if style == "|" else first

    def problem(self, where: Sequence[str | int], message: str) -> Problem:
        """Return a problem with the part of the document at `where`."""
        return Problem(self.label, self.line(where), field_name(where), message)

    def parse(self, kind: str) -> Document:
        """Return the whole document as one of that kind. Raises InvalidFlow with every problem in it."""
        return self.validate(KINDS[kind], self.data)

    def validate(self, model: type[D], data: Any, where: FieldPath = ()) -> D:
        """Return `data`, which stands at `where`, as a `model`. Raises InvalidFlow with every problem in it."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            raise InvalidFlow(self._problems(error, where)) from None

    def valid_fields(
        self, model: type[Document], data: dict[str, Any], where: FieldPath = ()
    ) -> tuple[dict[str, Any], list[Problem]]:
        """Return the fields of `data` that are as a `model` has them, and what is wrong with the others."""
        try:
            model.model_validate(data)
        except ValidationError as error:
            wrong = {fault["loc"][0] for fault in error.errors() if fault["loc"]}
            return {name: value for name, value in data.items() if name not in wrong}, self._problems(error, where)
        return data, []

    def _problems(self, error: ValidationError, where: FieldPath) -> list[Problem]:
        return [self.problem((*where, *_path(fault["loc"])), _message(fault)) for fault in error.errors()]


def field_name(where: Sequence[str | int]) -> str:
    """Return the path as people read it: `taskflow[0].task.run`; empty for the whole document."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


def read(path: Path, label: str | None = None, kind: str | None = None) -> Source:
    """Read a document, and check its header; its fields are not looked at yet. Raises InvalidFlow.

    `label`: the file as people call it; None: its path. `kind`: what it must be; None: any kind.
    """
    label = label or display(path)
    data, root = read_map(path, label)
    header = data.pop(HEADER, None)
    source = Source(path, label, data, root)
    return replace(source, filetype=_check_header(source, header, kind))


def display(path: Path) -> str:
    """Return the path as a person would write it: relative to the working directory where it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


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
        "extra_forbidden": "unknown field, and none is ignored here",
        "too_short": "must not be empty",
    }.get(error["type"])
    return wanted or str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
