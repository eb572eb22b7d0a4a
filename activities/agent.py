"""One agent run (GRAMMAR.md sections 5 and 6): the prompt in, what its tools and the model gave out."""

import os
from collections.abc import Callable

from agents import (
    Agent,
    MaxTurnsExceeded,
    ModelBehaviorError,
    RunConfig,
    Runner,
    RunResultStreaming,
    ToolExecutionConfig,
    set_tracing_disabled,
)
from agents.extensions.handoff_prompt import prompt_with_handoff_instructions
from agents.mcp import MCPServer
from temporalio import activity

from activities import captured, model_errors
from activities.failures import reported
from activities.heartbeat import beating
from activities.in_step import InStep
from activities.models import Models, settings
from activities.narration import narrate
from activities.render import Renderer
from activities.secrets import Secrets
from activities.toolboxes import Resolved, Toolboxes, serving
from activities.transcript import Transcript
from grammar import contracts, preparation
from grammar.contracts import AgentRequest, Deployed, Usage
from grammar.instructions import system_prompt

# Traces would go to a third party, prompts and all.
set_tracing_disabled(True)


class AgentRuns:
    """The `run_agent` activity."""

    def __init__(self, renderer: Renderer, models: Models, in_step: InStep) -> None:
        self._renderer = renderer
        self._in_step = in_step
        self._models = models
        self._toolboxes = Toolboxes(renderer)

    @activity.defn(name=contracts.RUN_AGENT)
    async def run_agent(self, request: AgentRequest) -> Deployed:
        """Run the agent to its end, with signs of life and progress on the way."""
        secrets = Secrets(request.secrets, request.surroundings.key)
        redact = _redactor(secrets, self._models.keys)
        with reported(redact), self._in_step.running():
            transcript = Transcript(redact)
            transcript.doing = "starting"
            async with beating(transcript.progress):
                deployed = await self._deploy(request, secrets, transcript)
                await self._in_step.wait()
                return deployed

    async def _deploy(self, request: AgentRequest, secrets: Secrets, transcript: Transcript) -> Deployed:
        resolved = await self._resolve(request, secrets)
        async with serving(resolved, request.toolboxes, request.blocked_tools) as servers:
            agent, model = await self._agent(request, servers)
            result = Runner.run_streamed(
                agent, secrets.reveal(request.prompt), max_turns=_turns(request), run_config=_config()
            )
            try:
                await narrate(result, transcript)
            except MaxTurnsExceeded:
                if not request.exclude_from_context:
                    raise model_errors.turn_limit(request.max_turns) from None
            except ModelBehaviorError as error:
                raise model_errors.misbehaved(error) from None
            except model_errors.OUTSIDE as error:
                raise model_errors.understood(error) from None
        return _deployed(request, result, model, secrets, transcript, [w for one in resolved for w in one.warnings])

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

    async def _agent(self, request: AgentRequest, servers: list[MCPServer]) -> tuple[Agent, str]:
        """The primary agent, with the others as its handoff targets."""
        model, name = await self._models.model(request.model)
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
                    mcp_servers=servers,
                    tool_use_behavior="stop_on_first_tool" if request.exclude_from_context else "run_llm_again",
                )
            )
        made[0].handoffs = list(made[1:])
        return made[0], name


def _turns(request: AgentRequest) -> int:
    return 1 if request.exclude_from_context else request.max_turns


def _config() -> RunConfig:
    # One tool call after the other: their results count in the order in which the model asked (section 5).
    return RunConfig(tracing_disabled=True, tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))


def _redactor(secrets: Secrets, keys: Callable[[], dict[str, str]]) -> Callable[[str], str]:
    def redact(text: str) -> str:
        for name, key in keys().items():
            text = text.replace(key, f"⟦{name}⟧") if len(key) >= 8 else text
        return secrets.hide(text)

    return redact


def _deployed(
    request: AgentRequest,
    result: RunResultStreaming,
    model: str,
    secrets: Secrets,
    transcript: Transcript,
    warnings: list[str],
) -> Deployed:
    tool_results = captured.tool_results(result.new_items)
    produced, value = captured.value(request.capture, tool_results, result.final_output)
    counted = result.context_wrapper.usage
    return Deployed(
        value=secrets.hide(value),
        produced=produced,
        tool_results=[one.model_validate(secrets.hide(one.model_dump())) for one in tool_results],
        said=transcript.said,
        first=transcript.first,
        usage=Usage(requests=counted.requests, input_tokens=counted.input_tokens, output_tokens=counted.output_tokens),
        model=model,
        secrets=secrets.names,
        warnings=warnings,
    )
