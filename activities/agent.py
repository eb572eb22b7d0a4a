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
from activities.storage.journal_store import JournalStore, journal_key
from activities.toolboxes.pool import ServerPool
from activities.toolboxes.toolboxes import Toolboxes
from grammar.errors import TaskError
from grammar.messages import names
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Usage
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
                # A dry run pays for nothing, and its rules count attempts.
                store = HeartbeatJournal([]) if request.rehearsal else self._journals or carried
                running = self._run(request, secrets, transcript, store)
                result = await _with_what_it_cost(running, request, secrets, transcript, store)
                result = _carrying(result, carried)
                result = await store_if_large(result, self._documents, request.kept)
                await self._batching.wait()
                return result.model_copy(update={"attempts": activity.info().attempt})

    async def _run(
        self, request: AgentRequest, secrets: Secrets, transcript: Transcript, store: JournalStore
    ) -> BranchResult:
        resolved = await self._resolve(request, secrets)
        async with self._toolboxes.servers(resolved, request) as servers:
            await load()
            from activities.agents.agent_run import AgentRun

            run = AgentRun(request, secrets, transcript, self._renderer, self._models, self._dry_run_answers)
            result = await run.run(servers, store, _journal_key(request))
        return result.model_copy(update={"warnings": [*_warnings(request, resolved), *result.warnings]})

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


async def _with_what_it_cost(
    running: Awaitable[BranchResult],
    request: AgentRequest,
    secrets: Secrets,
    transcript: Transcript,
    store: JournalStore,
) -> BranchResult:
    """Return the result; a TaskError leaves with the transcript's entries, the model's name, and what was used."""
    try:
        return await running
    except TaskError as error:
        error.said, error.model = transcript.entries, transcript.asked[1]
        if error.usage is None:  # it failed before its conversation began: earlier attempts may have asked the model
            error.usage = await _paid_before(request, secrets, store)
        raise


async def _paid_before(request: AgentRequest, secrets: Secrets, store: JournalStore) -> Usage:
    from activities.storage.journal import Journal

    journal = Journal(store, _journal_key(request), secrets)
    await journal.read()
    before = request.allowance.since if request.leg and request.allowance else Usage()
    return before + journal.usage


def _carrying(result: BranchResult, carried: HeartbeatJournal) -> BranchResult:
    """Return the result with the journal's lines, where no storage keeps them."""
    leg = result.leg and result.leg.model_copy(update={"recorded": carried.lines})
    return result.model_copy(update={"leg": leg})


def _warnings(request: AgentRequest, resolved: list[ResolvedServer]) -> list[str]:
    """Return what is to be told of the toolboxes: their warnings, and where a process did not find its folder."""
    has_process = any(server.params.command for server in resolved)
    told = working_directory(request.folder).warnings if has_process else []
    return [*(warning for server in resolved for warning in server.warnings), *told]


def _journal_key(request: AgentRequest) -> str:
    info = activity.info()
    assert info.workflow_id
    return journal_key(info.workflow_id, request.surroundings.key, request.journal or info.activity_id)
