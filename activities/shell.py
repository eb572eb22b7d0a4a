"""A bash script as a task (specification sections 5 to 7)."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import JsonValue
from temporalio import activity

from activities.agents.dry_run_answers import DryRunAnswers
from activities.agents.output_validation import raise_if_invalid, validate, validate_stored
from activities.process.activity_errors import application_errors
from activities.process.background import Background
from activities.process.heartbeat import heartbeats
from activities.process.process_group import end_leaderless
from activities.process.render import Renderer
from activities.process.script import STILL_HELD, ScriptResult, run_script
from activities.process.secrets import Secrets
from activities.process.stdout import Stdout
from activities.process.transcript import Transcript
from activities.process.working_directory import working_directory
from activities.storage.documents import Documents, store_file, store_if_large
from grammar.documents.values import SHELL, ToolResult, read_or_text
from grammar.errors import ShellFailed
from grammar.limits import SCRIPT_OUTPUT, SCRIPT_OUTPUT_IN_HISTORY
from grammar.messages import names
from grammar.messages.activity_requests import ShellRequest
from grammar.messages.activity_results import BranchResult
from grammar.model_access.endpoint import KEYS
from grammar.preparing import preparation
from grammar.templating.templates import is_withheld

# Characters: of the output in the transcript, and in the message of a failure.
SHOWN = 10_000
SHOWN_OF_FAILURE = 2_000


class ShellActivity:
    """Hold the `run_shell` activity.

    `documents`: payload storage, which keeps large outputs; None: they must fit into the history. `background`: keeps
    what scripts leave behind; None: it is ended with each script.
    """

    def __init__(
        self, renderer: Renderer, documents: Documents | None = None, background: Background | None = None
    ) -> None:
        self._renderer = renderer
        self._dry_run_answers = DryRunAnswers(renderer)
        self._documents = documents
        self._background = background

    @activity.defn(name=names.RUN_SHELL)
    async def run_shell(self, request: ShellRequest) -> BranchResult:
        """Run the script, and return its stdout as the result."""
        secrets = Secrets(request.secrets, request.surroundings.key, request.withheld)
        with application_errors(secrets.told), self._stdout() as stdout:
            rendered, used = await self._renderer(preparation.environment, request.surroundings, dict(os.environ))
            secrets.add(used)
            transcript = Transcript(secrets.mask)
            async with heartbeats(transcript.progress):
                directory = working_directory(request.folder)
                process_env = environment(os.environ, rendered, request.withheld)
                ended = await self._run(request, process_env, directory.path, stdout, transcript)
                _raise_if_failed(ended, secrets.mask)
                transcript.add("shell", SHELL, stdout.text(SHOWN).rstrip("\n"))
                result = await self._result(request, stdout, secrets)
            return result.model_copy(
                update={
                    "produced": True,
                    "attempts": activity.info().attempt,
                    "said": transcript.entries,
                    "first": transcript.first,
                    "secrets": secrets.names,
                    "warnings": directory.warnings + _warnings(ended, stdout),
                }
            )

    def _stdout(self) -> Stdout:
        if self._documents is None:
            return Stdout(None, SCRIPT_OUTPUT_IN_HISTORY)
        return Stdout(self._documents.folder, SCRIPT_OUTPUT)

    async def _run(
        self, request: ShellRequest, env: Mapping[str, str], folder: str | None, stdout: Stdout, transcript: Transcript
    ) -> ScriptResult:
        """Run the script. In a dry run it is not run, unless a rule says so."""
        dry_run = request.rehearsal
        if dry_run and (answer := await self._dry_run_answers.script_output(request, dry_run, transcript)):
            stdout.write(answer.stdout.encode())
            stdout.finish()
            return ScriptResult(answer.exit_code, answer.stdout + answer.stderr)
        ended = await run_script(request.script, env, folder, stdout, transcript)
        if ended.group is not None and ended.code == 0:
            await self._keep(ended.group)
        return ended

    async def _keep(self, group: int) -> None:
        """Keep what the script left in the background for later tasks of the run."""
        if self._background is None:
            return await end_leaderless(group)
        try:
            await self._background.keep(group, activity.info().workflow_id or "")
        except BaseException:  # a cancellation, or no process can be started: then nobody would end it
            await asyncio.shield(end_leaderless(group))
            raise

    async def _result(self, request: ShellRequest, stdout: Stdout, secrets: Secrets) -> BranchResult:
        """Return the value and the tool result, stored where they are large. Raises OutputsInvalid."""
        if self._documents is None or stdout.size <= request.kept:
            result = await asyncio.to_thread(_read, stdout, secrets)
            raise_if_invalid(await validate(self._renderer, request.outputs, result.value))
            return await store_if_large(result, self._documents, request.kept)
        await asyncio.to_thread(stdout.rewrite, secrets.hide_pieces)
        raise_if_invalid(await validate_stored(self._renderer, request.outputs, stdout.path, "text"))
        return BranchResult(stored=await store_file(self._documents, stdout.path, "text"), results=1)


def environment(process: Mapping[str, str], task: Mapping[str, str], withheld: Sequence[str] = ()) -> dict[str, str]:
    """Return the worker's environment less what is withheld from scripts, with the task's `env` on top.

    Withheld are the model keys, the keys that encrypt, and what TASKFLOW_ENV_DENYLIST names: names and patterns, as in
    `AWS_*`.
    """
    denied = {*KEYS, *withheld}
    patterns = process.get("TASKFLOW_ENV_DENYLIST", "").replace(",", " ").split()
    inherited = {
        name: value
        for name, value in process.items()
        if name not in denied and not is_withheld(name) and not any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    return {**inherited, **task}


def _raise_if_failed(result: ScriptResult, mask: Callable[[str], str]) -> None:
    """Raise ShellFailed unless the exit code is 0. `mask`: takes the secrets out of a text."""
    if result.code == 0:
        return
    tail = mask(result.tail).strip()[-SHOWN_OF_FAILURE:]
    ending = f"exit code {result.code}" if result.code > 0 else f"ended by signal {-result.code}"
    raise ShellFailed(f"{ending}: {tail}" if tail else ending)


def _warnings(result: ScriptResult, stdout: Stdout) -> list[str]:
    warnings = [] if stdout.is_utf8 else ["stdout was not UTF-8; such bytes were replaced"]
    return [*warnings, *([STILL_HELD] if result.was_held else [])]


def _read(stdout: Stdout, secrets: Secrets) -> BranchResult:
    result = ToolResult(tool_name=SHELL, text=stdout.text())
    value: JsonValue = secrets.hide(read_or_text(result))
    hidden = result.model_copy(update={"text": secrets.hide(result.text)})
    return BranchResult(value=value, produced=True, tool_results=[hidden])
