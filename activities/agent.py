"""The `run_agent` activity (specification sections 5 and 6): the prompt in, what its tools and the model gave out."""

import os
from collections.abc import Awaitable

from temporalio import activity

from activities.agents.dry_run_answers import DryRunAnswers
from activities.agents.model_clients import ModelClients
from activities.process.activity_errors import application_errors
from activities.process.completion_batching import CompletionBatching
from activities.process.heartbeat import heartbeats, lines_of_last_attempt
from activities.process.preloading import load
from activities.process.render import Renderer
from activities.process.secrets import Secrets
from activities.process.transcript import Transcript
from activities.process.working_directory import working_directory
from activities.storage.documents import Documents, store_if_large
from activities.storage.journal_heartbeat import HeartbeatJournal
from activities.storage.journal_store import JournalStore
from activities.toolboxes.pool import ServerPool
from activities.toolboxes.toolboxes import Toolboxes
from grammar.errors import TaskError
from grammar.messages import names
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult
from grammar.preparing import preparation
from grammar.preparing.server_params import ResolvedServer


class AgentActivity:
    """Hold the `run_agent` activity.

    `journals`: keeps the journals; None: heartbeats and legs carry them. `documents`: payload storage, which keeps
    large results; None: they must fit into the history.
    """

    def __init__(
        self,
        renderer: Renderer,
        models: ModelClients,
        batching: CompletionBatching,
        pool: ServerPool,
        journals: JournalStore | None = None,
        documents: Documents | None = None,
    ) -> None:
        self._renderer = renderer
        self._batching = batching
        self._models = models
        self._toolboxes = Toolboxes(renderer, pool)
        self._dry_run_answers = DryRunAnswers(renderer)
        self._journals = journals
        self._documents = documents

    @activity.defn(name=names.RUN_AGENT)
    async def run_agent(self, request: AgentRequest) -> BranchResult:
        """Run the agent to its end, or to the end of its leg, with heartbeats on the way."""
        tokens = [request.model.token] if request.model.token else []
        secrets = Secrets(request.secrets, request.surroundings.key, tokens)
        with application_errors(secrets.told), self._batching.running():
            transcript = Transcript(secrets.mask, request.kept)
            transcript.doing = "starting"
            carried = HeartbeatJournal(lines_of_last_attempt() or request.recorded)
            async with heartbeats(transcript.progress, lambda: carried.lines):
                result = await _with_entries(self._run(request, secrets, transcript, carried), transcript)
                result = await store_if_large(result, self._documents, request.kept)
                await self._batching.wait()
                return result.model_copy(update={"attempts": activity.info().attempt})

    async def _run(
        self, request: AgentRequest, secrets: Secrets, transcript: Transcript, carried: HeartbeatJournal
    ) -> BranchResult:
        resolved = await self._resolve(request, secrets)
        # A dry run pays for nothing, and its rules count attempts.
        store = HeartbeatJournal([]) if request.rehearsal else self._journals or carried
        async with self._toolboxes.servers(resolved, request) as servers:
            await load()
            from activities.agents.agent_run import AgentRun

            run = AgentRun(request, secrets, transcript, self._renderer, self._models, self._dry_run_answers)
            result = await run.run(servers, store, _journal_key(request))
        warnings = [*_warnings(request, resolved), *result.warnings]
        leg = result.leg and result.leg.model_copy(update={"recorded": carried.lines})
        return result.model_copy(update={"warnings": warnings, "leg": leg})

    async def _resolve(self, request: AgentRequest, secrets: Secrets) -> list[ResolvedServer]:
        process = dict(os.environ)
        task_env, used = await self._rendered_env(request, process)
        secrets.add(used)
        resolved = await self._toolboxes.resolve(request.toolboxes, request.surroundings, task_env)
        for server in resolved:
            secrets.add(server.used)
        return resolved

    async def _rendered_env(
        self, request: AgentRequest, process: dict[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        if not request.surroundings.env:
            return {}, {}
        return await self._renderer(preparation.environment, request.surroundings, process)


async def _with_entries(running: Awaitable[BranchResult], transcript: Transcript) -> BranchResult:
    """Return the result; a TaskError leaves with the transcript's entries, and with the model's name."""
    try:
        return await running
    except TaskError as error:
        error.said, error.model = transcript.entries, transcript.asked[1]
        raise


def _warnings(request: AgentRequest, resolved: list[ResolvedServer]) -> list[str]:
    """Return what is to be told of the toolboxes: their warnings, and where a process did not find its folder."""
    has_process = any(server.params.command for server in resolved)
    told = working_directory(request.folder).warnings if has_process else []
    return [*(warning for server in resolved for warning in server.warnings), *told]


def _journal_key(request: AgentRequest) -> str:
    """Return `run/activity`: the run, which may have several histories, and the activity that began the journal."""
    info = activity.info()
    assert info.workflow_id
    run = names.journal_folder(info.workflow_id, request.surroundings.key)
    return f"{run}/{request.journal or info.activity_id}"
