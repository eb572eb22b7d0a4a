"""One agent run: its agents are made and run, and their result is put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from agents import Agent, Model, Tool, handoff, set_tracing_disabled
from agents.extensions.handoff_prompt import prompt_with_handoff_instructions
from temporalio import activity

from activities.agents.conversation import Conversation
from activities.agents.dry_run_answers import DryRunAnswers
from activities.agents.mixed_conversation import MixedConversation
from activities.agents.model_clients import ModelClients, settings
from activities.agents.output_validation import validate
from activities.agents.recorded_model import RecordedModel
from activities.agents.scripted_model import dry_run_model
from activities.agents.spending import AllowedSpending
from activities.agents.stream_events import ASKING
from activities.agents.structured_output import output_type
from activities.agents.tool_outputs import ImagePlace
from activities.process.render import Renderer
from activities.process.secrets import Secrets
from activities.process.transcript import Transcript
from activities.storage.journal import Journal
from activities.storage.journal_store import JournalStore
from activities.toolboxes.offered_tools import OfferedTools
from activities.toolboxes.server import ToolboxServer
from activities.toolboxes.server_view import ServerView, views
from activities.toolboxes.tool_names import handoff_names
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import AgentRequest, ModelSpec
from grammar.messages.activity_results import WAITING, BranchResult
from grammar.model_access.prices import is_embedded
from grammar.preparing.system_prompt import system_prompt

# Traces would go to a third party, prompts and all.
set_tracing_disabled(True)


@dataclass(frozen=True)
class AgentRun:
    """Run the agents of one request, on servers that are ready to be called."""

    request: AgentRequest
    secrets: Secrets
    transcript: Transcript
    renderer: Renderer
    models: ModelClients
    dry_run_answers: DryRunAnswers

    async def run(self, servers: Mapping[str, ToolboxServer], store: JournalStore, journal_key: str) -> BranchResult:
        """Run to the end, or to the end of the leg, from where the journal ends. Raises TaskError.

        `servers`: by the toolbox's reference.
        """
        request = self.request
        typical = request.allowance.typical if request.allowance else None
        journal = Journal(store, journal_key, self.secrets, request.outcomes, request.model_number, typical)
        await journal.open()
        transfers = handoff_names([spec.name for spec in self.request.agents[1:]])
        seen = {**(self.request.leg.tools if self.request.leg else {}), **journal.tools}
        offered = OfferedTools(servers, self.request.blocked_tools, transfers, seen)
        server_views = list(views(servers, offered, self.request, journal))
        warnings: list[str] = []
        spending = AllowedSpending(self.request.allowance, journal)
        agent = await self._agent(server_views, transfers, journal, offered, spending, warnings)
        validator = partial(validate, self.renderer, self.request.outputs)
        conversation = Conversation(agent, self.request, self.secrets, self.transcript, validator, journal, offered)
        spending.used = lambda: conversation.usage
        await conversation.run()
        warnings += (warning for view in server_views for warning in view.warnings)
        return self._result(conversation, spending.model, warnings)

    async def _agent(
        self,
        servers: Sequence[ServerView],
        transfers: Sequence[str],
        journal: Journal,
        offered: OfferedTools,
        spending: AllowedSpending,
        warnings: list[str],
    ) -> Agent:
        """Make the primary agent, with the others as its handoff targets, and return it.

        `transfers`: the names of the handoff tools. `spending`: is told which model it is.
        """
        request = self.request
        model, spending.model, tools = await self._model(journal, offered, spending, warnings)
        model_settings = settings(_as_asked(request.model, spending.model), with_tools=bool(servers))
        hints = [toolbox.server_prompt for toolbox in request.toolboxes.values()]
        several = len(request.agents) > 1
        agents = []
        for spec in request.agents:
            instructions = system_prompt(spec.personality, hints)
            agents.append(
                Agent(
                    name=spec.name,
                    instructions=prompt_with_handoff_instructions(instructions) if several else instructions,
                    model=model,
                    model_settings=model_settings,
                    tools=tools,
                    mcp_servers=list(servers),
                    output_type=output_type(request),
                    tool_use_behavior="stop_on_first_tool" if request.exclude_from_context else "run_llm_again",
                )
            )
        agents[0].handoffs = [
            handoff(agent, tool_name_override=name) for agent, name in zip(agents[1:], transfers, strict=True)
        ]
        return agents[0]

    async def _model(
        self, journal: Journal, offered: OfferedTools, spending: AllowedSpending, warnings: list[str]
    ) -> tuple[Model, str, list[Tool]]:
        """Return the model, its name for the record, and the tools that it brings along. `warnings`: are added to."""
        if self.request.rehearsal:
            answers = self.dry_run_answers
            return await dry_run_model(self.request, self.request.rehearsal, answers, self.transcript, offered)
        model, name = await self.models.model(self.request.model)
        names = self.request.models
        self.transcript.asked = (names[self.request.model_number] if names else "", name)
        is_value = self.request.capture == "response"
        spec = _as_asked(self.request.model, name)
        images: ImagePlace = "after_results" if spec.api_type == "chat_completions" else "in_result"
        leg = self.request.leg
        mixed = MixedConversation(leg is not None and leg.model != self.request.model_number)
        queue = self.models.queue(self.request.model, self._tell_wait)
        recorded = RecordedModel(
            model,
            journal,
            activity.is_worker_shutdown,
            is_value,
            warnings,
            offered,
            spending,
            images,
            is_embedded(name),
            mixed,
            queue,
        )
        return recorded, name, []

    def _tell_wait(self, waits: bool) -> None:
        self.transcript.doing = WAITING if waits else ASKING

    def _result(self, conversation: Conversation, model: str, warnings: list[str]) -> BranchResult:
        """Return what the run produced, or the leg's end with what the next leg needs."""
        result = BranchResult(
            said=self.transcript.entries,
            first=self.transcript.first,
            usage=conversation.usage,
            model=model,
            secrets=self.secrets.names,
            warnings=warnings,
        )
        if leg := conversation.leg():
            return result.model_copy(update={"leg": leg})
        hide = self.secrets.hide
        produced, value = conversation.value()
        tool_results = [ToolResult.model_validate(hide(call.model_dump())) for call in conversation.tool_results]
        return result.model_copy(update={"produced": produced, "value": hide(value), "tool_results": tool_results})


def _as_asked(spec: ModelSpec, name: str) -> ModelSpec:
    """Return the model as it is asked: the embedded one, by its `name` for the record, has chat completions alone."""
    return spec.model_copy(update={"api_type": "chat_completions"}) if is_embedded(name) else spec
