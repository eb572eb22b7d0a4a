"""The processes of scripts and servers: each started in the sandbox that it is to have, or in none (section 10)."""

import asyncio
import errno
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activities.guardian import guarded_process
from activities.guardian.guarded_process import GuardedProcess
from activities.guardian.messages import Fence, SandboxLimits, StartRequest
from activities.guardian.pipes import Streams
from activities.guardian.templates import ServerTemplates
from activities.sandbox import bubblewrap, system_calls
from activities.sandbox.host_filter import VARIABLES, HostFilter
from activities.sandbox.view import View, view
from grammar.documents.models import SandboxChoice
from grammar.documents.sandbox import PRESETS, Policy, RequiredPreset, asks_beyond
from grammar.errors import SandboxRefused, UserError

# What bubblewrap says where it can make a sandbox, and cannot run the program in it.
_NO_PROGRAM = "bwrap: execvp "
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Program:
    """What is to be started.

    `env`: its own variables; `inherited`: what it has besides, without a sandbox. `folder`: where; None: where the
    worker runs. `commands`: a folder in which programs are looked up after all others. `template`: the arguments with
    which the program becomes a template of itself (activities/guardian/template.py); empty: it has none. `is_repeated`:
    it will be started more than once.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    inherited: Mapping[str, str] = field(repr=False)
    folder: str | None = None
    commands: str = ""
    template: Sequence[str] = ()
    is_repeated: bool = False


def raise_if_unavailable() -> None:
    """Raise UserError where this machine can make no sandbox, with what to do."""
    try:
        bubblewrap.find()
    except SandboxRefused as error:
        raise UserError(f"{error}") from None


class Sandboxes:
    """Start processes, in sandboxes where that is asked for or required. One per worker.

    `required`: the preset that no process may have more than; None: what the flow says holds. `hidden`: files and
    folders that no sandbox shows. `templates`: of servers that run in none; close them in the end.
    """

    def __init__(self, required: RequiredPreset | None = None, hidden: Sequence[Path] = ()) -> None:
        self._required = required
        self._hidden = tuple(hidden)
        self._availability = bubblewrap.Availability()
        self.templates = ServerTemplates()
        self._filters: set[asyncio.Task[None]] = set()

    def policy(self, choice: SandboxChoice | None) -> Policy | None:
        """Return what a process gets that asks for this; None: no sandbox. Raises SandboxRefused where that is more."""
        policy = choice.policy if choice else None
        if self._required is None:
            return policy
        allowed = PRESETS[self._required]
        if policy and (excess := asks_beyond(policy, allowed)):
            raise SandboxRefused(
                f"this worker requires the sandbox `{self._required}`, and more is asked for ({excess}): take that out "
                "of the flow, or have another worker serve it"
            )
        return policy or allowed

    def begin_template(self, program: Program) -> None:
        """Have the program's template load, if it has one, for a start without a sandbox that will be asked for."""
        self.templates.begin(_request(program), program.template)

    async def start(self, program: Program, policy: Policy | None, streams: Streams) -> GuardedProcess:
        """Start the program. Raises SandboxRefused, OSError, and ValueError for a NUL."""
        if policy is None:
            return await self.templates.start(_request(program), program.template, streams, program.is_repeated)
        bwrap = await self._availability.program()
        seen = view(policy, program.folder, self._hidden)
        request = StartRequest(
            bubblewrap.command(bwrap, seen, policy, program.argv),
            environment(program, policy, seen),
            "/",
            _fence(policy, seen),
        )
        process = await _started(request, streams)
        if process.listening:
            serving = asyncio.create_task(HostFilter(policy.network).serve(process.listening, process.wait_over()))
            self._filters.add(serving)
            serving.add_done_callback(self._filters.discard)
        return process


def _request(program: Program) -> StartRequest:
    """Return how the program is started without a sandbox."""
    env = {**program.inherited, **program.env}
    return StartRequest(list(program.argv), env, program.folder or _own_folder())


def _own_folder() -> str | None:
    """Return where the worker runs; None where that was removed. The guardian runs elsewhere."""
    try:
        return str(Path.cwd())
    except OSError:
        return None


async def _started(request: StartRequest, streams: Streams) -> GuardedProcess:
    try:
        return await guarded_process.start(request, streams)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise SandboxRefused(
                f"the sandbox's policy names {error.filename}, and that is a symbolic link, or leads through one: "
                "name what it leads to"
            ) from None
        if error.errno == errno.E2BIG:  # of the program, not of the sandbox
            raise
        raise bubblewrap.unavailable(f"{error.strerror}: {error.filename}") from None


def environment(program: Program, policy: Policy, seen: View) -> dict[str, str]:
    """Return all variables of a program in a sandbox: few, and its own on top."""
    path = os.pathsep.join(filter(None, [PATH, program.commands]))
    few = {"PATH": path, "HOME": seen.home, "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108
    proxy = {} if isinstance(policy.network, str) else VARIABLES
    return {**few, **proxy, **program.env}


def _fence(policy: Policy, seen: View) -> Fence:
    return Fence(
        SandboxLimits(policy.memory, policy.processes, policy.cpu, policy.disk),
        system_calls.program(platform.machine()).hex(),
        bubblewrap.folders(seen),
        not isinstance(policy.network, str),
    )


def check_begun(process: GuardedProcess, told: str) -> None:
    """Raise SandboxRefused where its sandbox could not be made. `told`: the end of what came on its stderr."""
    if not process.is_sandboxed and _NO_PROGRAM not in told:
        raise bubblewrap.unavailable(told)
