"""A bash script as a task (specification sections 5 to 7)."""

import asyncio
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from temporalio import activity

from activities.agents.dry_run_answers import DryRunAnswers
from activities.agents.output_validation import misfits, refuse, stored_misfits
from activities.process.activity_errors import reported
from activities.process.heartbeat import beating
from activities.process.process_group import end_group
from activities.process.render import Renderer
from activities.process.secrets import Secrets
from activities.process.stdout import IN_MEMORY, ON_DISK, Stdout
from activities.process.transcript import Transcript
from activities.process.working_directory import working_directory
from activities.storage.documents import Documents, keep_file, slim
from grammar.documents.values import SHELL, ToolResult, read_or_text
from grammar.errors import ShellFailed
from grammar.messages import names
from grammar.messages.activity_requests import ShellRequest
from grammar.messages.activity_results import BranchResult
from grammar.preparing import preparation

MODEL_KEYS = ("AI_API_TOKEN", "COPILOT_TOKEN", "OPENAI_API_KEY")
STDERR_TAIL = 2_000
SHOWN = 10_000
TOO_LONG = "the script, or a value of `env`, is too long; have the script read a file"


class Shell:
    """The `run_shell` activity. `documents`: where large outputs are kept; None: they must fit into the history."""

    def __init__(self, renderer: Renderer, documents: Documents | None = None) -> None:
        self._renderer = renderer
        self._rehearsals = DryRunAnswers(renderer)
        self._documents = documents

    @activity.defn(name=names.RUN_SHELL)
    async def run_shell(self, request: ShellRequest) -> BranchResult:
        """Run the script; its stdout is the result. Its whole process group ends with the activity."""
        secrets = Secrets(request.secrets, request.surroundings.key)
        with reported(secrets.hide), self._stdout() as stdout:
            rendered, used = await self._renderer(preparation.environment, request.surroundings, dict(os.environ))
            secrets.add(used)
            transcript = Transcript(secrets.hide)
            async with beating(transcript.progress):
                where = working_directory(request.folder)
                env = environment(os.environ, rendered, request.withheld)
                ended = await self._run(request, env, where.path, stdout, transcript)
                _check(ended)
                transcript.say("shell", SHELL, stdout.text(SHOWN).rstrip("\n"))
                given = await self._given(request, stdout, secrets)
            return given.model_copy(
                update={
                    "produced": True,
                    "attempts": activity.info().attempt,
                    "said": transcript.said,
                    "first": transcript.first,
                    "secrets": secrets.names,
                    "warnings": where.warnings + _warnings(stdout),
                }
            )

    def _stdout(self) -> Stdout:
        return Stdout(self._documents.folder, ON_DISK) if self._documents else Stdout(None, IN_MEMORY)

    async def _run(
        self, request: ShellRequest, env: Mapping[str, str], folder: str | None, stdout: Stdout, transcript: Transcript
    ) -> "ShellResult":
        """Run the script. In a dry run it is not, unless a rule says so."""
        if request.rehearsal and (told := await self._rehearsals.output(request, request.rehearsal, transcript)):
            stdout.write(told.stdout.encode())
            stdout.end()
            return ShellResult(told.exit_code, told.stderr)
        return await _run(request.script, env, folder, stdout, transcript)

    async def _given(self, request: ShellRequest, stdout: Stdout, secrets: Secrets) -> BranchResult:
        """Its value and its tool result: stored, where they are large. Raises OutputsInvalid."""
        if self._documents is None or stdout.size <= request.kept:
            given = await asyncio.to_thread(_read, stdout, secrets)
            refuse(await misfits(self._renderer, request.outputs, given.value))
            return await slim(given, self._documents, request.kept)
        await asyncio.to_thread(_hide, stdout, secrets)
        refuse(await stored_misfits(self._renderer, request.outputs, stdout.path, "text"))
        return BranchResult(stored=await keep_file(self._documents, stdout.path, "text"), results=1)


@dataclass(frozen=True)
class ShellResult:
    """A script that has ended."""

    code: int
    stderr: str


def environment(process: Mapping[str, str], task: Mapping[str, str], withheld: Sequence[str] = ()) -> dict[str, str]:
    """The worker's environment less the model keys and TASKFLOW_ENV_DENYLIST, with the task's `env` on top."""
    denied = {*MODEL_KEYS, *withheld, *process.get("TASKFLOW_ENV_DENYLIST", "").replace(",", " ").split()}
    return {**{name: value for name, value in process.items() if name not in denied}, **task}


async def _run(
    script: str, env: Mapping[str, str], folder: str | None, stdout: Stdout, transcript: Transcript
) -> ShellResult:
    process = await _start(script, env, folder)
    errors = Tail(STDERR_TAIL * 4)
    try:
        await asyncio.gather(
            _pass_on(process.stdout, lambda data: transcript.stream(stdout.write(data))),
            _pass_on(process.stderr, errors.write),
        )
        stdout.end()
        return ShellResult(await process.wait(), errors.text())
    finally:
        await end_group(process)


async def _start(script: str, env: Mapping[str, str], folder: str | None) -> asyncio.subprocess.Process:
    """Raises ShellFailed."""
    try:
        return await asyncio.create_subprocess_exec(
            "bash", "-c", script,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=env, cwd=folder, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        # Linux takes 128 KiB for each argument and each variable.
        why = TOO_LONG if error.errno == errno.E2BIG else str(error.strerror)
        raise ShellFailed(f"bash could not be started: {why}") from None


class Tail:
    """The end of what was written: so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = b""

    def write(self, data: bytes) -> None:
        """Take in more."""
        self._kept = (self._kept + data)[-self._most :]

    def text(self) -> str:
        """What is kept."""
        return self._kept.decode(errors="replace")


async def _pass_on(pipe: asyncio.StreamReader | None, take: Callable[[bytes], None]) -> None:
    assert pipe is not None
    while chunk := await pipe.read(65_536):
        take(chunk)


def _check(ended: ShellResult) -> None:
    """Raise ShellFailed for a script that failed."""
    if ended.code == 0:
        return
    tail = ended.stderr.strip()[-STDERR_TAIL:]
    how = f"exit code {ended.code}" if ended.code > 0 else f"ended by signal {-ended.code}"
    raise ShellFailed(f"{how}: {tail}" if tail else how)


def _read(stdout: Stdout, secrets: Secrets) -> BranchResult:
    result = ToolResult(tool_name=SHELL, text=stdout.text())
    value: JsonValue = secrets.hide(read_or_text(result))
    hidden = result.model_copy(update={"text": secrets.hide(result.text)})
    return BranchResult(value=value, produced=True, tool_results=[hidden])


def _warnings(stdout: Stdout) -> list[str]:
    return [] if stdout.clean else ["stdout was not UTF-8; such bytes were replaced"]


def _hide(stdout: Stdout, secrets: Secrets) -> None:
    """What is stored holds no secret. Where there is none to hide, the text need not be read."""
    if secrets.names:
        stdout.rewrite(secrets.hide(stdout.text()))
