"""The `run_agent` activity (specification sections 5 and 6): the prompt in, what its tools and the model gave out."""

import os
from collections.abc import Awaitable, Callable

from temporalio import activity

from activities.agents.dry_run_answers import DryRunAnswers
from activities.agents.model_clients import ModelClients
from activities.process.activity_errors import reported
from activities.process.completion_batching import CompletionBatching
from activities.process.heartbeat import beating, carried_over
from activities.process.preloading import load
from activities.process.render import Renderer
from activities.process.secrets import Secrets
from activities.process.transcript import Transcript
from activities.process.working_directory import working_directory
from activities.storage.documents import Documents, slim
from activities.storage.journal_heartbeat import HeartbeatJournal
from activities.storage.journal_store import JournalStore
from activities.toolboxes.pool import Pool
from activities.toolboxes.toolboxes import Toolboxes
from grammar.errors import TaskError
from grammar.messages import names
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult
from grammar.preparing import preparation
from grammar.preparing.server_params import ResolvedServer


class AgentRuns:
    """The `run_agent` activity.

    `journals`: where they are kept; None: heartbeats and legs carry them. `documents`: where large results are kept;
    None: they must fit into the history.
    """

    def __init__(
        self,
        renderer: Renderer,
        models: ModelClients,
        in_step: CompletionBatching,
        pool: Pool,
        journals: JournalStore | None = None,
        documents: Documents | None = None,
    ) -> None:
        self._renderer = renderer
        self._in_step = in_step
        self._models = models
        self._toolboxes = Toolboxes(renderer, pool)
        self._rehearsals = DryRunAnswers(renderer)
        self._journals = journals
        self._documents = documents

    @activity.defn(name=names.RUN_AGENT)
    async def run_agent(self, request: AgentRequest) -> BranchResult:
        """Run the agent to its end, with signs of life and progress on the way."""
        secrets = Secrets(request.secrets, request.surroundings.key)
        redact = _redactor(secrets, self._models.keys)
        with reported(redact), self._in_step.running():
            transcript = Transcript(redact, request.kept)
            transcript.doing = "starting"
            carried = HeartbeatJournal(carried_over() or request.recorded)
            async with beating(transcript.progress, lambda: carried.lines):
                deployed = await self._told(self._deploy(request, secrets, transcript, carried), transcript)
                deployed = await slim(deployed, self._documents, request.kept)
                await self._in_step.wait()
                return deployed.model_copy(update={"attempts": activity.info().attempt})

    async def _told(self, deploying: Awaitable[BranchResult], transcript: Transcript) -> BranchResult:
        """A failure tells what was said before it."""
        try:
            return await deploying
        except TaskError as error:
            error.said = transcript.said
            raise

    async def _deploy(
        self, request: AgentRequest, secrets: Secrets, transcript: Transcript, carried: HeartbeatJournal
    ) -> BranchResult:
        resolved = await self._resolve(request, secrets)
        # A dry run pays for nothing, and its rules count attempts.
        store = HeartbeatJournal([]) if request.rehearsal else self._journals or carried
        async with self._toolboxes.serving(resolved, request) as servers:
            await load()
            from activities.agents.agent_run import AgentRun

            run = AgentRun(request, secrets, transcript, self._renderer, self._models, self._rehearsals)
            deployed = await run.deployed(servers, store, _journal_key(request))
        warnings = [*_warnings(request, resolved), *deployed.warnings]
        leg = deployed.leg and deployed.leg.model_copy(update={"recorded": carried.lines})
        return deployed.model_copy(update={"warnings": warnings, "leg": leg})

    async def _resolve(self, request: AgentRequest, secrets: Secrets) -> list[ResolvedServer]:
        process = dict(os.environ)
        task_env, used = await self._rendered_env(request, process)
        secrets.add(used)
        resolved = await self._toolboxes.resolve(request.toolboxes, request.surroundings, task_env)
        for one in resolved:
            secrets.add(one.used)
        return resolved

    async def _rendered_env(
        self, request: AgentRequest, process: dict[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        if not request.surroundings.env:
            return {}, {}
        return await self._renderer(preparation.environment, request.surroundings, process)


def _warnings(request: AgentRequest, resolved: list[ResolvedServer]) -> list[str]:
    """Return what is to be told of the toolboxes: their warnings, and where a process did not find its folder."""
    has_process = any(server.params.command for server in resolved)
    told = working_directory(request.folder).warnings if has_process else []
    return [*(text for server in resolved for text in server.warnings), *told]


def _journal_key(request: AgentRequest) -> str:
    """The run, which may go through several histories, and the activity that began the journal."""
    info = activity.info()
    assert info.workflow_id
    run = names.journal_folder(info.workflow_id, request.surroundings.key)
    return f"{run}/{request.journal or info.activity_id}"


def _redactor(secrets: Secrets, keys: Callable[[], dict[str, str]]) -> Callable[[str], str]:
    def redact(text: str) -> str:
        for name, key in keys().items():
            text = text.replace(key, f"⟦{name}⟧") if len(key) >= 8 else text
        return secrets.hide(text)

    return redact
