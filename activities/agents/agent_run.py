"""One agent run: its agents are made, talk with the model, and what they gave is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from agents import Agent, Model, Tool, set_tracing_disabled
from agents.extensions.handoff_prompt import prompt_with_handoff_instructions
from temporalio import activity

from activities.agents.conversation import Conversation
from activities.agents.dry_run_answers import DryRunAnswers
from activities.agents.model_clients import ModelClients, settings
from activities.agents.output_validation import misfits
from activities.agents.recorded_model import RecordedModel
from activities.agents.scripted_model import rehearsed
from activities.agents.structured_output import constraint
from activities.process.render import Renderer
from activities.process.secrets import Secrets
from activities.process.transcript import Transcript
from activities.storage.journal import Journal
from activities.storage.journal_store import JournalStore
from activities.toolboxes.server import ToolboxServer
from activities.toolboxes.server_view import ServerView, views
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult
from grammar.preparing.system_prompt import system_prompt

# Traces would go to a third party, prompts and all.
set_tracing_disabled(True)


@dataclass(frozen=True)
class AgentRun:
    """One agent run, on servers that answer."""

    request: AgentRequest
    secrets: Secrets
    transcript: Transcript
    renderer: Renderer
    models: ModelClients
    rehearsals: DryRunAnswers

    async def deployed(
        self, servers: Mapping[str, ToolboxServer], store: JournalStore, journal_key: str
    ) -> BranchResult:
        """Run the agent, from its journal on, to its end or to where it is left off."""
        journal = Journal(store, journal_key, self.secrets, self.request.outcomes)
        await journal.open()
        seen = list(views(servers, self.request, journal))
        agent, model = await self._agent(seen, journal)
        fits = partial(misfits, self.renderer, self.request.outputs)
        conversation = Conversation(agent, self.request, self.secrets, self.transcript, fits, journal)
        await conversation.run()
        return self._told(conversation, model, [text for one in seen for text in one.warnings])

    async def _agent(self, servers: Sequence[ServerView], journal: Journal) -> tuple[Agent, str]:
        """The primary agent, with the others as its handoff targets; and the model's name."""
        request = self.request
        model, name, tools = await self._model(journal)
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

    async def _model(self, journal: Journal) -> tuple[Model, str, list[Tool]]:
        """The model, its name for the record, and what tools it brings along."""
        if self.request.rehearsal:
            return await rehearsed(self.request, self.request.rehearsal, self.rehearsals, self.transcript)
        model, name = await self.models.model(self.request.model)
        is_value = self.request.capture == "response"
        return RecordedModel(model, journal, activity.is_worker_shutdown, is_value), name, []

    def _told(self, conversation: Conversation, model: str, warnings: list[str]) -> BranchResult:
        """What the run gave; where it was left off, what it takes to go on."""
        told = BranchResult(
            said=self.transcript.said,
            first=self.transcript.first,
            usage=conversation.usage,
            model=model,
            secrets=self.secrets.names,
            warnings=warnings,
        )
        if leg := conversation.leg():
            return told.model_copy(update={"leg": leg})
        hide = self.secrets.hide
        produced, value = conversation.value()
        results = [ToolResult.model_validate(hide(one.model_dump())) for one in conversation.tool_results]
        return told.model_copy(update={"produced": produced, "value": hide(value), "tool_results": results})
