"""Any document, checked as far as it can be without a run."""

from dataclasses import dataclass, replace
from pathlib import Path

from grammar.documents.references import SearchPath, is_path
from grammar.errors import InvalidFlow
from grammar.loading import bundle
from grammar.loading.bundle import Loaded, LoadOptions
from grammar.loading.library import Library, NeededVariable
from grammar.loading.source import display, read
from grammar.problems import Problem, first


@dataclass(frozen=True)
class Findings:
    """What lint finds in one or several documents."""

    problems: tuple[Problem, ...] = ()
    """What is wrong: the documents cannot run."""
    warnings: tuple[Problem, ...] = ()
    """What may be wrong."""
    needs: tuple[NeededVariable, ...] = ()
    """The environment variables that templates need."""
    limited: tuple[Loaded, ...] = ()
    """The flows among them that limit dollars, and so need prices."""

    def plus(self, other: "Findings") -> "Findings":
        """Return the findings of both, each once: documents share what they refer to."""
        return Findings(
            tuple(dict.fromkeys((*self.problems, *other.problems))),
            tuple(dict.fromkeys((*self.warnings, *other.warnings))),
            tuple(dict.fromkeys((*self.needs, *other.needs))),
            (*self.limited, *other.limited),
        )


def lint(document: str, options: LoadOptions) -> Findings:
    """Return what is found in a document: a taskflow, unless its header says something else.

    `document`: a path or a dotted name, in place of `options.flow`. Problems are returned, not raised.
    """
    options = replace(bundle.lint_options(options, document), all_globals=True)
    try:
        path = bundle.find(options).path
        source = read(path, label=options.flow if is_path(options.flow) else display(path))
        if source.filetype in (None, "taskflow"):
            loaded = bundle.load(options)
            return Findings((), tuple(loaded.warnings), tuple(loaded.needs), (loaded,) if loaded.prices else ())
        return _part(source.filetype, path, options)
    except InvalidFlow as invalid:
        return Findings(tuple(invalid.problems), tuple(invalid.warnings))


def _part(kind: str, path: Path, options: LoadOptions) -> Findings:
    """A document that flows refer to, with what it refers to itself."""
    library = Library(SearchPath(options.paths, path.parent), options.strict, frozenset({"globals"}))
    library.take_in(kind, str(path), bundle.command_line())
    return Findings(tuple(first(library.problems)), tuple(first(library.warnings)), tuple(library.needs))
