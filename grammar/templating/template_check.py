"""What a template reads, against the names that there are when it renders."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from grammar.templating.template_outline import Read, TemplateProblem, outline
from grammar.templating.templates import NAMES


@dataclass(frozen=True)
class Scope:
    """The names and keys that a template finds."""

    keys: Mapping[str, Iterable[str]]
    """The keys of `globals`, `inputs` and `outputs`; of a name that is not in it, every key is taken to be there."""
    names: frozenset[str] = frozenset({*NAMES, "env"})
    """The names that there are."""
    open: frozenset[str] = frozenset()
    """Names that may come, or whose keys may, from elsewhere: what is missing of them is not certain to fail."""
    hints: Mapping[tuple[str, str | None], str] = field(default_factory=dict)
    """What to do about a path that is missing; (name, None) is for all of a name's keys."""


def undefined(template: str, scope: Scope) -> list[TemplateProblem]:
    """Return a problem for each name that the template reads and the scope does not have."""
    found = outline(template)
    return [problem for read in found.reads if (problem := missing(read, scope, found.guarded))]


def missing(read: Read, scope: Scope, guarded: Iterable[tuple[str, str | None]] = ()) -> TemplateProblem | None:
    """Return what is wrong with reading that name; None: the scope has it, or it is guarded."""
    if read.path in guarded or (read.name, None) in guarded:
        return None
    if read.name in scope.names and (read.key is None or read.key in scope.keys.get(read.name, (read.key,))):
        return None
    certain = read.certain and read.name not in scope.open
    return TemplateProblem(read.line, f"{read} is not defined{_hint(read, scope)}", certain)


def _hint(read: Read, scope: Scope) -> str:
    if hint := scope.hints.get(read.path) or scope.hints.get((read.name, None)):
        return f": {hint}"
    if read.key is None or read.name not in scope.names:
        known = [f"{name}()" if name == "env" else name for name in (*NAMES, "env") if name in scope.names]
        return f": a template reads {', '.join(known)} here"
    if read.name == "globals":
        return f": add it under `globals`, or give -g {read.key}=VALUE"
    return ": add it under `inputs`" if read.name == "inputs" else ": no earlier task has that `id`"
