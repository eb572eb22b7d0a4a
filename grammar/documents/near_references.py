"""References that lead to a file and read almost like one that leads nowhere."""

import difflib
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

_ENDINGS = (".yaml", ".yml")
_SIMILAR = 0.75
_MOST_FILES = 2_000
_MOST_OF_A_NAME = 100


def near_name(folders: Iterable[Path], name: str) -> str | None:
    """Return a dotted name, almost the one given, of a document in one of the folders; None: there is none."""
    found = (_near(folder, name.split(".")) for folder in folders)
    return next((".".join(parts) for parts in found if parts), None)


def near_path(path: Path) -> str | None:
    """Return the name of a document in the same folder that is almost that of the path; None: there is none."""
    names = {file.stem: file.name for file in _listed(path.parent) if file.suffix in _ENDINGS}
    closest = _closest(path.stem, list(names))  # by the ending, all would be alike
    return names[closest] if closest else None


def same_last_part(package: Path, name: str) -> str | None:
    """Return the dotted name of the document in a package that has the same last part; None: there is none."""
    last = name.rpartition(".")[2]
    files = islice(package.rglob("*.yaml"), _MOST_FILES)
    found = next((file for file in files if file.stem == last), None)
    return ".".join(found.relative_to(package.parent).with_suffix("").parts) if found else None


def _near(folder: Path, parts: Sequence[str]) -> list[str] | None:
    """The parts as they are called in the folder, down to a document."""
    name, *rest = parts
    listed = _listed(folder)
    known = [entry.name for entry in listed if entry.is_dir()] if rest else _documents(listed)
    closest = _closest(name, known)
    if closest is None or not rest:
        return closest and [closest]  # type: ignore[return-value]
    below = _near(folder / closest, rest)
    return [closest, *below] if below else None


def _documents(listed: Iterable[Path]) -> list[str]:
    return [entry.stem for entry in listed if entry.suffix in _ENDINGS]


def _closest(name: str, known: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name[:_MOST_OF_A_NAME], known, 1, _SIMILAR)), None)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(islice(folder.iterdir(), _MOST_FILES))
    except OSError:  # there is no such folder, or it must not be read
        return []
