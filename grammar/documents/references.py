"""Dotted names and paths to files (specification section 2)."""

import importlib.util
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from grammar.documents import near_references

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
_PEER = "seclab_taskflow_agent."
_PUBLISHED = {
    "seclab_taskflow_agent": "seclab-taskflow-agent",
    "seclab_taskflows": "seclab-taskflows",
    "seclab_taskflows_fuzzing": "seclab-taskflows-fuzzing",
}
"""Packages of documents that flows refer to, by what such a reference begins with."""
OURS = "taskflows."

Place = Literal["path", "TASKFLOW_PATH", "--path", "this installation", "beside the flow", "package", "here"]
"""Where a document was found. `beside the flow`, `here` (the working directory): in that folder, or in one above it."""


class Found(NamedTuple):
    """A document, and where it was found."""

    path: Path
    """The file."""
    place: Place
    """Where it was found."""


@dataclass(frozen=True)
class FoundDocument:
    """A file that a flow consists of."""

    kind: str
    """What it is taken for: `taskflow`, `toolbox`, ..."""
    name: str
    """The first reference that led to it."""
    path: Path
    """The file."""
    place: Place
    """Where it was found."""


@dataclass(frozen=True)
class SearchPath:
    """Where references are looked up. The working directory comes last: what is in it may be anybody's."""

    paths: tuple[Path, ...] = ()
    """The folders of `--path`, looked up after TASKFLOW_PATH."""
    anchor: Path | None = None
    """The folder of the file given on the command line, looked up with those above it; None: there is none."""

    def find(self, reference: str, referrer: Path | None = None) -> Path | None:
        """Return the file that a reference means; None: there is none.

        `referrer`: the file that holds the reference; None: it is of the command line.
        """
        found = self.locate(reference, referrer)
        return found and found.path

    def locate(self, reference: str, referrer: Path | None = None) -> Found | None:
        """Return the file that a reference means, and where it was found; None: there is none. As for find()."""
        if is_path(reference):
            path = _existing((referrer.parent if referrer else Path.cwd()) / reference)
            return Found(path, "path") if path else None
        return next(self._named(reference), None)

    def passed_over(self, reference: str) -> Found | None:
        """Return a file that a dotted name may be thought to mean, where it means another; None: there is none.

        That is ours, where a person has named the other's folder; else one beside the flow or in the working directory.
        """
        found = [] if is_path(reference) else list(self._named(reference))
        if not found:
            return None
        meant, *others = found
        is_named = meant.place in ("TASKFLOW_PATH", "--path")
        doubtful = {"this installation"} if is_named else {"beside the flow", "here"} - {meant.place}
        return next((other for other in others if other.place in doubtful and other.path != meant.path), None)

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
        folders = [folder for _, folder in (*self._named_folders(), *self._flows_folders(), *_folders_here())]
        for name in filter(None, (reference, _our_name(reference))):
            packages = [folder.parent for folder in _package(name.partition(".")[0])]
            if found := near_references.near_name([*folders, *packages], name):
                return found
        ours = (near_references.same_last_part(folder, reference) for folder in _package(OURS.rstrip(".")))
        return next((name for name in ours if name), None)

    def _named(self, name: str) -> Iterator[Found]:
        """Every file of that dotted name, the one that is meant first."""
        if not _NAME.fullmatch(name):
            return
        yield from _in_folders(self._named_folders(), name)
        if found := _of_installation(name):
            yield Found(found, "this installation")
        yield from _in_folders(self._flows_folders(), name)
        if found := _in_package(name):
            yield Found(found, "package")
        yield from _in_folders(_folders_here(), name)

    def _named_folders(self) -> Iterator[tuple[Place, Path]]:
        entries = os.environ.get("TASKFLOW_PATH", "").split(os.pathsep)
        yield from (("TASKFLOW_PATH", Path(entry)) for entry in entries if entry)
        yield from (("--path", path) for path in self.paths)

    def _flows_folders(self) -> Iterator[tuple[Place, Path]]:
        return (("beside the flow", folder) for folder in _up_to_repository(self.anchor)) if self.anchor else iter(())


def is_path(reference: str) -> bool:
    """Return whether a reference is a path rather than a dotted name."""
    return "/" in reference or reference.endswith((".yaml", ".yml"))


def published_in(reference: str) -> str | None:
    """Return the package on PyPI that has the document of that dotted name, if it has one; None: no known one."""
    return None if is_path(reference) else _PUBLISHED.get(reference.partition(".")[0])


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


def _our_name(reference: str) -> str | None:
    """The name of our own document that a name of the existing engine may mean; None: it is no such name."""
    is_supplied = reference.startswith((_PEER + "personalities.", _PEER + "toolboxes."))
    return OURS + reference.removeprefix(_PEER) if is_supplied else None


def _of_installation(name: str) -> Path | None:
    """Our own document of that name; for a name of the existing engine, that engine's where it is installed, too."""
    if name.startswith(OURS):
        return _in_package(name)
    ours = _in_package(_our_name(name) or "")
    return ours and (_in_package(name) or ours)


def _existing(path: Path) -> Path | None:
    try:
        return path.resolve() if path.is_file() else None
    except OSError:  # a name that is too long, a directory that must not be read
        return None


def _yaml(stem: Path) -> Path | None:
    return _existing(stem.with_name(stem.name + ".yaml")) or _existing(stem.with_name(stem.name + ".yml"))


def _in_folders(folders: Iterable[tuple[Place, Path]], name: str) -> Iterator[Found]:
    relative = Path(*name.split("."))
    found = ((place, _yaml(folder / relative)) for place, folder in folders)
    return (Found(path, place) for place, path in found if path)


def _folders_here() -> Iterator[tuple[Place, Path]]:
    return (("here", folder) for folder in _up_to_repository(Path.cwd()))


def _up_to_repository(folder: Path) -> Iterator[Path]:
    """The folder and those above it, up to the root of its repository; not beyond one that everybody may write to."""
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        if parent != folder and _is_everybodys(parent):
            return
        yield parent
        if (parent / ".git").exists():
            return


def _is_everybodys(folder: Path) -> bool:
    """Whether anybody may put a document there, as in `/tmp`."""
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True


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
