"""Which files a sandbox shows: from a policy, on this machine (specification section 10)."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from grammar.documents.sandbox import Policy
from grammar.errors import SandboxRefused
from temporal_taskflow import launch

Kind = Literal["read", "write", "scratch", "empty", "blank"]

# What programs need of a system, where it is there. The folders of persons and of services are not among it.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix")
# Of our own modules, what servers of ours need and no more: in a checkout, `.env` may lie beside them.
ROOMS = ("temporal_taskflow", "taskflows", "grammar")
SCRATCH = "/tmp"  # noqa: S108 (of the sandbox alone)
# Where sockets of services lie, and what others leave behind.
SHARED = (SCRATCH, "/run", "/var/tmp")  # noqa: S108 (so as to show none of it)
KEYS = ".env"


class Mount(NamedTuple):
    """One place in the files of a sandbox."""

    path: Path
    """Where it is, in the sandbox and outside alike."""
    kind: Kind
    """What is there: the same as outside, to `read` or to `write`; a `scratch` or `empty` folder; a `blank` file."""
    folder: Path | None = None
    """Where a symbolic link on the way must not lead out: the folder from which on there is to be none."""


class View(NamedTuple):
    """All that a sandbox shows of the files of this machine."""

    mounts: list[Mount]
    """From the outside in: what stands later lies over what stands before."""
    links: dict[Path, Path]
    """Symbolic links, by where they are, with where they lead."""
    folder: Path
    """Where the program begins."""
    home: str
    """What is HOME there."""


def view(policy: Policy, folder: str | None, hidden: Sequence[Path]) -> View:
    """Return what a sandbox with that policy shows. Raises SandboxRefused.

    `folder`: the run's; None: the worker's own. `hidden`: what no sandbox shows, such as the state folder.
    """
    grounds = _Grounds(policy, Path(folder or Path.cwd()).resolve())
    grounds.refuse_shared_folder()
    grounds.add_system()
    grounds.add_paths()
    grounds.hide(hidden)
    return grounds.view()


class _Grounds:
    """Gathers the mounts. Of two at one path, the later one holds."""

    def __init__(self, policy: Policy, folder: Path) -> None:
        self._policy = policy
        self._folder = folder
        self._home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 (where there is none, it raises nothing)
        self._mounts: dict[Path, Mount] = {}
        self._links: dict[Path, Path] = {}
        self._is_whole = "/" in (*policy.read, *policy.write)

    def refuse_shared_folder(self) -> None:
        shared = [Path(path) for path in SHARED + (() if self._is_whole else SYSTEM)]
        for path in shared if self._is_whole else [self._home, *shared]:
            if path == self._folder or self._folder in path.parents:
                raise SandboxRefused(
                    f"a sandbox shows the folder of the run, and that is {self._folder}, with {path} in it: "
                    "start the run in a folder of its own"
                )

    def add_system(self) -> None:
        if self._is_whole:
            self._add(Path("/"), "write" if "/" in self._policy.write else "read")
            self._add_all(["/sys"], "read")
            self._add_all(SHARED, "empty")
        else:
            system = [Path(path) for path in SYSTEM]
            self._links |= {path: path.readlink() for path in system if path.is_symlink()}
            self._add_all([path for path in system if path not in self._links], "read")
        self._mounts[Path(SCRATCH)] = Mount(Path(SCRATCH), "scratch")
        for path in installation():
            self._links[path] = path.resolve()
            self._add(path.resolve(), "read")
        for path in private_of_root() if os.geteuid() == 0 else ():
            self._add(path, "empty" if path.is_dir() else "blank")
        if self._policy.network == "all":
            self._add(Path("/etc/resolv.conf").resolve(), "read")

    def _add_all(self, paths: Iterable[str | Path], kind: Kind) -> None:
        for path in paths:
            self._add(Path(path), kind)

    def add_paths(self) -> None:
        if self._kind_above(self._folder) not in ("read", "write"):
            self._add(self._folder, "write" if "/" in self._policy.write else "read")
        for path in self._policy.read:
            self._name(path, "read")
        for path in self._policy.write:
            self._name(path, "write")

    def hide(self, paths: Sequence[Path]) -> None:
        keys = self._folder / KEYS
        there = [path.resolve() for path in paths if path.exists()] + ([keys.resolve()] if keys.is_file() else [])
        for path in sorted(there, key=lambda path: len(path.parts)):
            if path == self._folder:
                raise SandboxRefused(f"a sandbox hides {path}, and the run was started there: start it elsewhere")
            if path in self._mounts or self._kind_above(path) in ("read", "write"):
                self._mounts[path] = Mount(path, "empty" if path.is_dir() else "blank")

    def view(self) -> View:
        mounts = sorted({**self._pins(), **self._mounts}.values(), key=lambda mount: len(mount.path.parts))
        links = {link: to for link, to in self._links.items() if link != to and self._kind_above(link) is None}
        return View(mounts, links, self._folder, str(self._home) if self._is_whole else SCRATCH)

    def _name(self, path: str, kind: Kind) -> None:
        """Add a path of the policy."""
        if path == "/":
            return
        named = self._home / path[2:] if path.startswith("~") else Path(path)
        if named.is_absolute():
            self._links[named] = named.resolve()
            self._add_named(named.resolve(), kind, path)
        else:
            self._add_named(self._folder / named, kind, path, self._folder if named.parts else None)

    def _add_named(self, path: Path, kind: Kind, name: str, folder: Path | None = None) -> None:
        if not path.exists():
            raise SandboxRefused(f"the sandbox's `{kind}` names {name}, which is not on this worker: {path}")
        self._mounts[path] = Mount(path, kind, folder)

    def _add(self, path: Path, kind: Kind) -> None:
        if path.exists() and self._kind_above(path) != kind:
            self._mounts[path] = Mount(path, kind)

    def _kind_above(self, path: Path) -> Kind | None:
        """What may be done where the path is, as far as is known; None: nothing is there."""
        above = next((parent for parent in path.parents if parent in self._mounts), None)
        return self._mounts[above].kind if above else None

    def _pins(self) -> dict[Path, Mount]:
        """What lies between a place that may be written and another one in it: so that nobody moves it away."""
        found = {}
        for path in self._mounts:
            for parent in path.parents:
                if parent in self._mounts:
                    break
                if self._kind_above(parent) == "write":
                    found[parent] = Mount(parent, "write")
        return found


def installation() -> Iterator[Path]:
    """Yield where the Python of this process lies, and the modules of ours that servers need."""
    yield from {Path(path) for path in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    yield from (launch.rooms() / name for name in ROOMS)


@cache
def private_of_root() -> tuple[Path, ...]:
    """Return what in /etc only root may read: in a sandbox, root is to read no more than others."""
    found = []
    for top, folders, files in os.walk("/etc"):
        for name in [*folders, *files]:
            path = Path(top, name)
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and not mode & stat.S_IROTH:
                found.append(path)
                if name in folders:
                    folders.remove(name)
    return tuple(found)
