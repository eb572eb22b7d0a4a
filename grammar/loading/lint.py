"""Any document, checked as far as it can be without a run."""

from dataclasses import dataclass
from pathlib import Path

from grammar.documents.references import Search, is_path
from grammar.errors import InvalidFlow, Problem, first
from grammar.loading import bundle
from grammar.loading.bundle import LoadOptions
from grammar.loading.library import Library, Need
from grammar.loading.source import display, read


@dataclass(frozen=True)
class Findings:
    """What is wrong with some documents, what may be, and the variables that they need."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    needs: tuple[Need, ...] = ()

    def plus(self, other: "Findings") -> "Findings":
        """Both, each finding once: documents share what they refer to."""
        return Findings(
            tuple(dict.fromkeys((*self.problems, *other.problems))),
            tuple(dict.fromkeys((*self.warnings, *other.warnings))),
            tuple(dict.fromkeys((*self.needs, *other.needs))),
        )


def lint(document: str, order: LoadOptions) -> Findings:
    """What can be said of a document: a taskflow, unless its header says something else."""
    order = bundle.lint_options(order, document)
    try:
        path = bundle.find(order)
        source = read(path, label=order.flow if is_path(order.flow) else display(path))
        if source.filetype in (None, "taskflow"):
            loaded = bundle.load(order)
            return Findings((), tuple(loaded.warnings), tuple(loaded.needs))
        return _part(source.filetype, path, order)
    except InvalidFlow as invalid:
        return Findings(tuple(invalid.problems), tuple(invalid.warnings))


def _part(kind: str, path: Path, order: LoadOptions) -> Findings:
    """A document that flows refer to, with what it refers to itself."""
    library = Library(Search(order.paths, path.parent), order.strict, frozenset({"globals"}))
    library.take_in(kind, str(path), bundle.command_line())
    return Findings(tuple(first(library.problems)), tuple(first(library.warnings)), tuple(library.needs))
