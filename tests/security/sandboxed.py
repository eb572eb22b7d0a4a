"""Scripts in a sandbox, for tests; and whether this machine can have one."""

import asyncio
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from activities.guardian.pipes import NOTHING, Streams
from activities.sandbox import bubblewrap
from activities.sandbox.sandboxes import Program, Sandboxes
from grammar.documents.models import SandboxChoice
from grammar.errors import SandboxRefused

VARIABLE, CANARY = "SOME_API_KEY", "canary-4d0b71"


def _why_not() -> str:
    try:
        bubblewrap.find()
    except SandboxRefused as refused:
        return str(refused)
    return ""


needs_sandbox = pytest.mark.skipif(bool(_why_not()), reason=_why_not())


class Ended(NamedTuple):
    """How a script ended."""

    code: int
    out: str
    breach: str | None


async def _run(script: str, folder: Path, choice: Any, sandboxes: Sandboxes) -> Ended:
    policy = sandboxes.policy(SandboxChoice.model_validate(choice) if choice is not None else None)
    program = Program(["bash", "-c", script], {}, dict(os.environ) | {VARIABLE: CANARY}, str(folder))
    process = await sandboxes.start(program, policy, Streams(NOTHING))
    try:
        assert process.stdout
        assert process.stderr
        out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
        return Ended(await process.wait(), (out + err).decode(), process.breach)
    finally:
        await process.end()


def run(script: str, folder: Path, choice: Any = "workspace", sandboxes: Sandboxes | None = None) -> Ended:
    """Run a script in the folder; `choice` None: without a sandbox."""
    return asyncio.run(_run(script, folder, choice, sandboxes or Sandboxes()))
