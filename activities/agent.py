"""One agent run (GRAMMAR.md sections 5 and 6): the prompt in, what its tools and the model gave out."""

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial

from agents import Agent, Model, Tool, set_tracing_disabled
from agents.extensions.handoff_prompt import prompt_with_handoff_instructions
from temporalio import activity

from activities.carried_lines import CarriedLines
from activities.constraint import constraint
from activities.conversation import Conversation
from activities.documents import Documents, slim
from activities.failures import reported
from activities.fit import misfits
from activities.heartbeat import beating, carried_over
from activities.in_step import InStep
from activities.journal import Journal, Store
from activities.models import Models, settings
from activities.pool import Pool
from activities.recorded_model import RecordedModel
from activities.rehearsals import Rehearsals
from activities.render import Renderer
from activities.scripted_model import rehearsed
from activities.secrets import Secrets
from activities.toolboxes import Resolved, ServerView, Toolboxes
from activities.transcript import Transcript
from grammar import contracts, preparation
from grammar.contracts import AgentRequest, Deployed
from grammar.instructions import system_prompt
from grammar.values import ToolResult

# Traces would go to a third party, prompts and all.
set_tracing_disabled(True)


class AgentRuns:
    """The `run_agent` activity.

    `journals`: where they are kept; None: heartbeats and legs carry them. `documents`: where large results are kept;
    None: they must fit into the history.
    """

    def __init__(
        self,
        renderer: Renderer,
        models: Models,
        in_step: InStep,
        pool: Pool,
        journals: Store | None = None,
        documents: Documents | None = None,
    ) -> None:
        self._renderer = renderer
        self._in_step = in_step
        self._models = models
        self._toolboxes = Toolboxes(renderer, pool)
        self._rehearsals = Rehearsals(renderer)
        self._journals = journals
        self._documents = documents

    @activity.defn(name=contracts.RUN_AGENT)
    async def run_agent(self, request: AgentRequest) -> Deployed:
        """Run the agent to its end, with signs of life and progress on the way."""
        secrets = Secrets(request.secrets, request.surroundings.key)
        redact = _redactor(secrets, self._models.keys)
        with reported(redact), self._in_step.running():
            transcript = Transcript(redact, request.kept)
            transcript.doing = "starting"
            carried = CarriedLines(carried_over() or request.recorded)
            async with beating(transcript.progress, lambda: carried.lines):
                deployed = await self._deploy(request, secrets, transcript, carried)
                deployed = await slim(deployed, self._documents, request.kept)
                await self._in_step.wait()
                return deployed

    async def _deploy(
        self, request: AgentRequest, secrets: Secrets, transcript: Transcript, carried: CarriedLines
    ) -> Deployed:
        resolved = await self._resolve(request, secrets)
        # A dry run pays for nothing, and its rules count attempts.
        store = CarriedLines([]) if request.rehearsal else self._journals or carried
        journal = Journal(store, _journal_key(request), secrets, request.outcomes)
        await journal.open()
        async with self._toolboxes.serving(resolved, request, journal) as servers:
            agent, model = await self._agent(request, servers, transcript, journal)
            fits = partial(misfits, self._renderer, request.outputs)
            conversation = Conversation(agent, request, secrets, transcript, fits, journal)
            await conversation.run()
        warnings = [text for one in resolved for text in one.warnings]
        warnings += [text for one in servers for text in one.warnings]
        return _deployed(conversation, model, secrets, transcript, warnings, carried)

    async def _resolve(self, request: AgentRequest, secrets: Secrets) -> list[Resolved]:
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

    async def _agent(
        self, request: AgentRequest, servers: Sequence[ServerView], transcript: Transcript, journal: Journal
    ) -> tuple[Agent, str]:
        """The primary agent, with the others as its handoff targets."""
        model, name, tools = await self._model(request, transcript, journal)
        chosen = settings(request.model, with_tools=bool(servers))
        hints = [toolbox.server_prompt for toolbox in request.toolboxes.values()]
        several = len(request.agents) > 1
        made = []
        for spec in request.agents:
            text = system_prompt(spec.personality, hints)
            made.append(
                Agent(
                    name=spec.name,
                    instructions=prompt_with_handoff_instructions(text) if several else text,
                    model=model,
                    model_settings=chosen,
                    tools=tools,
                    mcp_servers=list(servers),
                    output_type=constraint(request),
                    tool_use_behavior="stop_on_first_tool" if request.exclude_from_context else "run_llm_again",
                )
            )
        made[0].handoffs = list(made[1:])
        return made[0], name

    async def _model(
        self, request: AgentRequest, transcript: Transcript, journal: Journal
    ) -> tuple[Model, str, list[Tool]]:
        """The model, its name for the record, and what tools it brings along."""
        if request.rehearsal:
            return await rehearsed(request, request.rehearsal, self._rehearsals, transcript)
        model, name = await self._models.model(request.model)
        return RecordedModel(model, journal, activity.is_worker_shutdown), name, []


def _journal_key(request: AgentRequest) -> str:
    """The run, which may go through several histories, and the activity that began the journal."""
    info = activity.info()
    run = hashlib.sha256(f"{info.workflow_id} {request.surroundings.key}".encode()).hexdigest()[:32]
    return f"{run}/{request.journal or info.activity_id}"


def _redactor(secrets: Secrets, keys: Callable[[], dict[str, str]]) -> Callable[[str], str]:
    def redact(text: str) -> str:
        for name, key in keys().items():
            text = text.replace(key, f"⟦{name}⟧") if len(key) >= 8 else text
        return secrets.hide(text)

    return redact


def _deployed(
    conversation: Conversation,
    model: str,
    secrets: Secrets,
    transcript: Transcript,
    warnings: list[str],
    carried: CarriedLines,
) -> Deployed:
    """What the run gave; where it was left off, what it takes to go on."""
    told = Deployed(
        said=transcript.said,
        first=transcript.first,
        usage=conversation.usage,
        model=model,
        secrets=secrets.names,
        warnings=warnings,
    )
    if leg := conversation.leg():
        return told.model_copy(update={"leg": leg.model_copy(update={"recorded": carried.lines})})
    produced, value = conversation.value()
    results = [ToolResult.model_validate(secrets.hide(one.model_dump())) for one in conversation.tool_results]
    return told.model_copy(update={"produced": produced, "value": secrets.hide(value), "tool_results": results})
