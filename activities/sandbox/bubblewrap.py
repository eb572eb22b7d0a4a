"""The command line of bubblewrap, the program that makes a sandbox; and whether this machine can have one."""

import asyncio
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

from activities.guardian.messages import FILTER, FIRST_PATH, HOLD, STATUS
from activities.sandbox import system_calls
from activities.sandbox.view import Mount, View
from grammar.documents.sandbox import Policy
from grammar.errors import SandboxRefused

PROGRAM = "bwrap"
# Of the memory of a sandbox, what its temporary files may take.
SCRATCH_PART, SHARED_MEMORY_PART = 4, 16
_EMPTY = 4096
# What holds in every sandbox. (No capability, no setuid program, and no further namespace; no terminal but its own.)
_NAMESPACES = ("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--new-session")


def command(program: str, view: View, policy: Policy, argv: Sequence[str]) -> list[str]:
    """Return the command line that runs `argv` in a sandbox. `program`: the file of bubblewrap."""
    network = [] if policy.network == "none" else ["--share-net"]  # with hosts, it is a network of its own already
    descriptors = ["--json-status-fd", str(STATUS), "--seccomp", str(FILTER), "--block-fd", str(HOLD)]
    return [
        program, *_NAMESPACES, *network, *descriptors, *_files(view, policy), "--chdir", str(view.folder), "--", *argv,
    ]  # fmt: skip


def folders(view: View) -> list[tuple[str, str]]:
    """Return what the guardian opens for the command: folders, with paths below them."""
    return [(str(mount.folder), str(mount.path.relative_to(mount.folder))) for mount in _opened(view) if mount.folder]


def _opened(view: View) -> list[Mount]:
    return [mount for mount in view.mounts if mount.folder]


def _files(view: View, policy: Policy) -> Iterator[str]:
    opened = _opened(view)
    root = [mount for mount in view.mounts if len(mount.path.parts) == 1]
    for mount in root:
        yield from _mount(mount, opened, policy)
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from ("--size", str(policy.memory // SHARED_MEMORY_PART), "--tmpfs", "/dev/shm")  # noqa: S108
    for link, to in view.links.items():
        yield from ("--symlink", str(to), str(link))
    for mount in view.mounts[len(root) :]:
        yield from _mount(mount, opened, policy)
    for place in ("/proc", "/dev", *(() if root else ("/",))):  # root may write `/proc/sys`, whatever else it may not
        yield from ("--remount-ro", place)


def _mount(mount: Mount, opened: Sequence[Mount], policy: Policy) -> Iterator[str]:
    path = str(mount.path)
    match mount.kind:
        case "read" | "write":
            bind = "--bind" if mount.kind == "write" else "--ro-bind"
            if mount.folder:
                yield from (f"{bind}-fd", str(FIRST_PATH + opened.index(mount)), path)
            else:
                yield from (bind, path, path)
        case "scratch":
            yield from ("--perms", "1777", "--size", str(policy.memory // SCRATCH_PART), "--tmpfs", path)
        case "empty":
            yield from ("--size", str(_EMPTY), "--tmpfs", path, "--remount-ro", path)
        case "blank":
            yield from ("--dev-bind", "/dev/null", path)


class Availability:
    """Find out, once, whether this machine can have sandboxes. One per worker."""

    def __init__(self) -> None:
        self._program: str | None = None

    async def program(self) -> str:
        """Return the file of bubblewrap. Raises SandboxRefused, with what to do; then it is asked again next time."""
        if self._program is None:
            self._program = await asyncio.to_thread(find)
        return self._program


def find() -> str:
    """Return the file of bubblewrap, where it works here. Raises SandboxRefused."""
    if sys.platform != "linux" or platform.machine() not in system_calls.MACHINES:
        kinds = " and ".join(system_calls.MACHINES)
        raise SandboxRefused(f"a sandbox needs a worker on Linux ({kinds}); this one is on another machine")
    program = shutil.which(PROGRAM)
    if program is None:
        raise SandboxRefused(
            f"a sandbox needs bubblewrap, and this worker has no `{PROGRAM}`: install it (on Debian, `apt install "
            "bubblewrap`), then retry"
        )
    tried = subprocess.run(
        [program, *_NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--size", "4096", "--tmpfs",
         "/tmp", "true"], capture_output=True, text=True, check=False, timeout=30,  # noqa: S108
    )  # fmt: skip
    if tried.returncode:
        raise unavailable(tried.stderr)
    return program


def unavailable(told: str) -> SandboxRefused:
    """Return the error of a worker on which bubblewrap fails. `told`: what it has said."""
    said = " ".join(told.split())[-300:]
    return SandboxRefused(
        f"this worker can make no sandbox: {said}; what it needs is told in docs/running.md, under Sandboxes"
    )
