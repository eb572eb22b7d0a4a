"""A bash script as a task (GRAMMAR.md sections 5 to 7)."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from temporalio import activity

from activities.failures import reported
from activities.fit import misfits, refuse
from activities.heartbeat import beating
from activities.process_group import end_group
from activities.rehearsals import Rehearsals
from activities.render import Renderer
from activities.secrets import Secrets
from activities.transcript import Transcript
from grammar import contracts, preparation
from grammar.contracts import Deployed, ShellRequest
from grammar.errors import ShellFailed, ValueTooLarge
from grammar.values import ToolResult, read_or_text

TOOL_NAME = "shell"
MODEL_KEYS = ("AI_API_TOKEN", "COPILOT_TOKEN", "OPENAI_API_KEY")
STDERR_TAIL = 2_000
MAX_OUTPUT = 64 * 1024 * 1024


class Shell:
    """The `run_shell` activity."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._rehearsals = Rehearsals(renderer)

    @activity.defn(name=contracts.RUN_SHELL)
    async def run_shell(self, request: ShellRequest) -> Deployed:
        """Run the script; its stdout is the result. Its whole process group ends with the activity."""
        secrets = Secrets(request.secrets, request.surroundings.key)
        with reported(secrets.hide):
            rendered, used = await self._renderer(preparation.environment, request.surroundings, dict(os.environ))
            secrets.add(used)
            transcript = Transcript(secrets.hide)
            async with beating(transcript.progress):
                run = await self._run(request, environment(os.environ, rendered, request.withheld), transcript)
            deployed = _deployed(run, secrets, transcript)
            refuse(await misfits(self._renderer, request.outputs, deployed.value))
            return deployed

    async def _run(self, request: ShellRequest, env: Mapping[str, str], transcript: Transcript) -> "Run":
        """Run the script. In a dry run it is not, unless a rule says so."""
        if request.rehearsal and (told := await self._rehearsals.output(request, request.rehearsal, transcript)):
            return Run(told.exit_code, told.stdout.encode(), told.stderr.encode())
        return await _run(request.script, env, transcript)


class Run:
    """A script that has ended."""

    def __init__(self, code: int, stdout: bytes, stderr: bytes) -> None:
        self.code = code
        self.stdout, self.warning = decode(stdout, "stdout")
        self.stderr, _ = decode(stderr, "stderr")


def environment(process: Mapping[str, str], task: Mapping[str, str], withheld: Sequence[str] = ()) -> dict[str, str]:
    """The worker's environment less the model keys and TASKFLOW_ENV_DENYLIST, with the task's `env` on top."""
    denied = {*MODEL_KEYS, *withheld, *process.get("TASKFLOW_ENV_DENYLIST", "").replace(",", " ").split()}
    return {**{name: value for name, value in process.items() if name not in denied}, **task}


def decode(data: bytes, name: str) -> tuple[str, str | None]:
    """The text, and a warning where it was not UTF-8."""
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return data.decode(errors="replace"), f"{name} was not UTF-8; such bytes were replaced"


async def _run(script: str, env: Mapping[str, str], transcript: Transcript) -> Run:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=env, start_new_session=True,
    )  # fmt: skip
    try:
        stdout, stderr = await asyncio.gather(
            _read(process.stdout, transcript.stream), _read(process.stderr, lambda text: None)
        )
        return Run(await process.wait(), stdout, stderr)
    finally:
        await end_group(process)


async def _read(pipe: asyncio.StreamReader | None, tell: Callable[[str], None]) -> bytes:
    assert pipe is not None
    chunks, size = [], 0
    while chunk := await pipe.read(65_536):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_OUTPUT:
            raise ValueTooLarge(f"the script wrote more than {MAX_OUTPUT // 1024**2} MB; let it write to a file")
        tell(chunk.decode(errors="replace"))
    return b"".join(chunks)


def _deployed(run: Run, secrets: Secrets, transcript: Transcript) -> Deployed:
    tail = run.stderr.strip()[-STDERR_TAIL:]
    if run.code != 0:
        ended = f"exit code {run.code}" if run.code > 0 else f"ended by signal {-run.code}"
        raise ShellFailed(f"{ended}: {tail}" if tail else ended)
    transcript.say("shell", TOOL_NAME, run.stdout.rstrip("\n"))
    result = ToolResult(tool_name=TOOL_NAME, text=run.stdout)
    return Deployed(
        value=secrets.hide(read_or_text(result)),
        produced=True,
        tool_results=[result.model_copy(update={"text": secrets.hide(result.text)})],
        said=transcript.said,
        first=transcript.first,
        secrets=secrets.names,
        warnings=[run.warning] if run.warning else [],
    )
