"""A bash script as a task (specification sections 5 to 7)."""

import asyncio
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from temporalio import activity

from activities.agents.dry_run_answers import DryRunAnswers
from activities.agents.output_validation import raise_if_invalid, validate, validate_stored
from activities.process.activity_errors import application_errors
from activities.process.heartbeat import heartbeats
from activities.process.process_group import end_group
from activities.process.render import Renderer
from activities.process.secrets import Secrets
from activities.process.stdout import MAX_IN_MEMORY, MAX_ON_DISK, Stdout
from activities.process.transcript import Transcript
from activities.process.working_directory import working_directory
from activities.storage.documents import Documents, store_file, store_if_large
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


class ShellActivity:
    """Hold the `run_shell` activity.

    `documents`: payload storage, which keeps large outputs; None: they must fit into the history.
    """

    def __init__(self, renderer: Renderer, documents: Documents | None = None) -> None:
        self._renderer = renderer
        self._dry_run_answers = DryRunAnswers(renderer)
        self._documents = documents

    @activity.defn(name=names.RUN_SHELL)
    async def run_shell(self, request: ShellRequest) -> BranchResult:
        """Run the script, and return its stdout as the result. Its process group ends with the activity."""
        secrets = Secrets(request.secrets, request.surroundings.key)
        with application_errors(secrets.hide), self._stdout() as stdout:
            rendered, used = await self._renderer(preparation.environment, request.surroundings, dict(os.environ))
            secrets.add(used)
            transcript = Transcript(secrets.hide)
            async with heartbeats(transcript.progress):
                directory = working_directory(request.folder)
                process_env = environment(os.environ, rendered, request.withheld)
                _raise_if_failed(await self._run(request, process_env, directory.path, stdout, transcript))
                transcript.add("shell", SHELL, stdout.text(SHOWN).rstrip("\n"))
                result = await self._result(request, stdout, secrets)
            return result.model_copy(
                update={
                    "produced": True,
                    "attempts": activity.info().attempt,
                    "said": transcript.entries,
                    "first": transcript.first,
                    "secrets": secrets.names,
                    "warnings": directory.warnings + _warnings(stdout),
                }
            )

    def _stdout(self) -> Stdout:
        return Stdout(self._documents.folder, MAX_ON_DISK) if self._documents else Stdout(None, MAX_IN_MEMORY)

    async def _run(
        self, request: ShellRequest, env: Mapping[str, str], folder: str | None, stdout: Stdout, transcript: Transcript
    ) -> "ShellResult":
        """Run the script. In a dry run it is not run, unless a rule says so."""
        dry_run = request.rehearsal
        if dry_run and (answer := await self._dry_run_answers.script_output(request, dry_run, transcript)):
            stdout.write(answer.stdout.encode())
            stdout.finish()
            return ShellResult(answer.exit_code, answer.stderr)
        return await _run(request.script, env, folder, stdout, transcript)

    async def _result(self, request: ShellRequest, stdout: Stdout, secrets: Secrets) -> BranchResult:
        """Return the value and the tool result, stored where they are large. Raises OutputsInvalid."""
        if self._documents is None or stdout.size <= request.kept:
            result = await asyncio.to_thread(_read, stdout, secrets)
            raise_if_invalid(await validate(self._renderer, request.outputs, result.value))
            return await store_if_large(result, self._documents, request.kept)
        await asyncio.to_thread(_hide, stdout, secrets)
        raise_if_invalid(await validate_stored(self._renderer, request.outputs, stdout.path, "text"))
        return BranchResult(stored=await store_file(self._documents, stdout.path, "text"), results=1)


@dataclass(frozen=True)
class ShellResult:
    """How a script ended. `code`: its exit code; negative: the signal that ended it. `stderr`: its end."""

    code: int
    stderr: str


def environment(process: Mapping[str, str], task: Mapping[str, str], withheld: Sequence[str] = ()) -> dict[str, str]:
    """Return the worker's environment less the model keys and TASKFLOW_ENV_DENYLIST, with the task's `env` on top."""
    denied = {*MODEL_KEYS, *withheld, *process.get("TASKFLOW_ENV_DENYLIST", "").replace(",", " ").split()}
    return {**{name: value for name, value in process.items() if name not in denied}, **task}


async def _run(
    script: str, env: Mapping[str, str], folder: str | None, stdout: Stdout, transcript: Transcript
) -> ShellResult:
    process = await _start(script, env, folder)
    stderr = OutputTail(STDERR_TAIL * 4)
    try:
        await asyncio.gather(
            _read_pipe(process.stdout, lambda data: transcript.stream(stdout.write(data))),
            _read_pipe(process.stderr, stderr.write),
        )
        stdout.finish()
        return ShellResult(await process.wait(), stderr.text())
    finally:
        await end_group(process)


async def _start(script: str, env: Mapping[str, str], folder: str | None) -> asyncio.subprocess.Process:
    """Start the script. Raises ShellFailed."""
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


class OutputTail:
    """Keep the last `size` bytes of what is written."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = b""

    def write(self, data: bytes) -> None:
        """Add the bytes, and drop the oldest beyond the size."""
        self._kept = (self._kept + data)[-self._size :]

    def text(self) -> str:
        """Return the bytes kept, as text; what is not UTF-8 is replaced."""
        return self._kept.decode(errors="replace")


async def _read_pipe(pipe: asyncio.StreamReader | None, take: Callable[[bytes], None]) -> None:
    assert pipe is not None
    while chunk := await pipe.read(65_536):
        take(chunk)


def _raise_if_failed(result: ShellResult) -> None:
    """Raise ShellFailed unless the exit code is 0."""
    if result.code == 0:
        return
    tail = result.stderr.strip()[-STDERR_TAIL:]
    ending = f"exit code {result.code}" if result.code > 0 else f"ended by signal {-result.code}"
    raise ShellFailed(f"{ending}: {tail}" if tail else ending)


def _read(stdout: Stdout, secrets: Secrets) -> BranchResult:
    result = ToolResult(tool_name=SHELL, text=stdout.text())
    value: JsonValue = secrets.hide(read_or_text(result))
    hidden = result.model_copy(update={"text": secrets.hide(result.text)})
    return BranchResult(value=value, produced=True, tool_results=[hidden])


def _warnings(stdout: Stdout) -> list[str]:
    return [] if stdout.is_utf8 else ["stdout was not UTF-8; such bytes were replaced"]


def _hide(stdout: Stdout, secrets: Secrets) -> None:
    """Hide secrets in what is to be stored. Where there is none to hide, the text need not be read."""
    if secrets.names:
        stdout.rewrite(secrets.hide(stdout.text()))
