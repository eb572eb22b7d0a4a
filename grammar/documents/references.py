"""Dotted names and paths to files (specification section 2)."""

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grammar.documents import near_references

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
_PEER = "seclab_taskflow_agent."
OURS = "taskflows."


@dataclass(frozen=True)
class SearchPath:
    """Where references are looked up, beside TASKFLOW_PATH and the working directory."""

    paths: tuple[Path, ...] = ()
    """The folders of `--path`, looked up after TASKFLOW_PATH."""
    anchor: Path | None = None
    """The folder of the file given on the command line, looked up last, with those above it; None: there is none."""

    def find(self, reference: str, referrer: Path | None = None) -> Path | None:
        """Return the file that a reference means; None: there is none.

        `referrer`: the file that holds the reference; None: it is of the command line.
        """
        if is_path(reference):
            base = referrer.parent if referrer else Path.cwd()
            return _existing(base / reference)
        if not _NAME.fullmatch(reference):
            return None
        return next((found for name in _names(reference) if (found := self._by_name(name))), None)

    def near(self, reference: str, referrer: Path | None = None) -> str | None:
        """Return a reference that leads to a file and reads almost like this one; None: there is none.

        `referrer`: as for find().
        """
        if is_path(reference):
            base = referrer.parent if referrer else Path.cwd()
            name = near_references.near_path(base / reference)
            return name and reference[: len(reference) - len(Path(reference).name)] + name
        if not _NAME.fullmatch(reference):
            return None
        for name in _names(reference):
            packages = [folder.parent for folder in _package(name.partition(".")[0])]
            if found := near_references.near_name([*self._folders(), *packages], name):
                return found
        ours = (near_references.same_last_part(folder, reference) for folder in _package(OURS.rstrip(".")))
        return next((name for name in ours if name), None)

    def _by_name(self, name: str) -> Path | None:
        relative = Path(*name.split("."))
        for folder in self._folders():
            if found := _yaml(folder / relative):
                return found
        return _in_package(name)

    def _folders(self) -> Iterator[Path]:
        for entry in os.environ.get("TASKFLOW_PATH", "").split(os.pathsep):
            if entry:
                yield Path(entry)
        yield from self.paths
        yield Path.cwd()
        if self.anchor:
            yield from _up_to_repository(self.anchor)


def is_path(reference: str) -> bool:
    """Return whether a reference is a path rather than a dotted name."""
    return "/" in reference or reference.endswith((".yaml", ".yml"))


def distinct_names(references: Sequence[str]) -> list[str]:
    """Return the short names; where several have the same, with the folder or the package before it."""
    names = [short_name(reference) for reference in references]
    return [
        _qualified(reference) if names.count(name) > 1 else name
        for reference, name in zip(references, names, strict=True)
    ]


def short_name(reference: str) -> str:
    """Return what people call the document: the last part of its name, or the file's name without its suffix."""
    return Path(reference).stem if is_path(reference) else reference.rpartition(".")[2]


def _qualified(reference: str) -> str:
    """Return the last two parts of a reference, as `folder/name`."""
    parts = Path(reference).with_suffix("").parts if is_path(reference) else reference.split(".")
    return "/".join(parts[-2:])


def _names(reference: str) -> Iterator[str]:
    """The name itself, then our own document of the same name."""
    yield reference
    if reference.startswith((_PEER + "personalities.", _PEER + "toolboxes.")):
        yield OURS + reference.removeprefix(_PEER)


def _existing(path: Path) -> Path | None:
    try:
        return path.resolve() if path.is_file() else None
    except OSError:  # a name that is too long, a directory that must not be read
        return None


def _yaml(stem: Path) -> Path | None:
    return _existing(stem.with_name(stem.name + ".yaml")) or _existing(stem.with_name(stem.name + ".yml"))


def _up_to_repository(folder: Path) -> Iterator[Path]:
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        yield parent
        if (parent / ".git").exists():
            return


def _in_package(name: str) -> Path | None:
    """A file of an installed package. Finding the top package's folder runs none of its code."""
    top, _, rest = name.partition(".")
    if not rest:
        return None
    stems = (folder.joinpath(*rest.split(".")) for folder in _package(top))
    return next((found for stem in stems if (found := _yaml(stem))), None)


def _package(top: str) -> list[Path]:
    """The folders of an installed package; empty: there is none."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
