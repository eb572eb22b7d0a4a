"""A dry run: what answers in place of models and scripts. Rules first, else placeholders; nothing leaves the worker."""

import json
from collections import Counter
from dataclasses import dataclass

from pydantic import JsonValue
from temporalio import activity

from activities.process.render import Renderer
from activities.process.transcript import Transcript
from grammar.documents.field_types import Schema
from grammar.documents.rules import BranchScript, Rule
from grammar.dry_run import placeholder
from grammar.errors import OutputsInvalid, TemplateFailed
from grammar.messages.activity_requests import AgentRequest, ShellRequest

NOTHING_READ = "dry run"
WHOLE = 20_000
CUT = 120
RUNS_COUNTED = 1_000


@dataclass(frozen=True)
class Output:
    """What a script that was not run is taken to have written."""

    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class Placeholders:
    """What an agent gives where no rule fits: so many tool results, and a final text."""

    results: int
    result: str
    text: str


class DryRunAnswers:
    """Answers for the branches of dry runs. Counts how often a rule answered in a run, on this worker."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._given: dict[str, Counter[int]] = {}

    async def rule(self, rehearsal: BranchScript, prompt: str, turn: int = 1) -> Rule | None:
        """The rule that answers now. Its patterns may search for ever: hence the renderer, with its time limit."""
        if not rehearsal.rules:
            return None
        info = activity.info()
        fitting = await self._renderer(rehearsal.fitting, prompt, turn, info.attempt)
        given = self._counter(info.workflow_run_id or "")
        for one in fitting:
            if one.rule.times is None or given[one.number] < one.rule.times:
                given[one.number] += 1
                return one.rule
        return None

    async def output(self, request: ShellRequest, rehearsal: BranchScript, transcript: Transcript) -> Output | None:
        """What the script is taken to have written; None: a rule says to run it."""
        print_prompt(rehearsal, "bash", request.script, transcript)
        rule = await self.rule(rehearsal, request.script)
        if rule is None:
            return Output(stdout=await self._text(request.outputs, rehearsal))
        return None if rule.run else Output(rule.exit_code or 0, rule.stdout or "", rule.stderr or "")

    async def placeholders(self, request: AgentRequest, rehearsal: BranchScript) -> Placeholders:
        """What later tasks read of the agent, and what its `outputs` ask for."""
        results = rehearsal.wanted.results if rehearsal.wanted else 0
        if request.capture == "response":
            final = NOTHING_READ if request.outputs is None else await self._text(request.outputs, rehearsal)
            return Placeholders(results, await self._text(None, rehearsal), final)
        results = max(results, 1) if request.outputs is not None else results
        return Placeholders(results, await self._text(request.outputs, rehearsal), NOTHING_READ)

    async def _text(self, schema: Schema | None, rehearsal: BranchScript) -> str:
        if schema is None and rehearsal.wanted is None:
            return NOTHING_READ
        value = rehearsal.wanted.value if rehearsal.wanted else None
        if schema is not None:
            value = await self._satisfying(schema, value)
        return json.dumps(value, ensure_ascii=False)

    async def _satisfying(self, schema: Schema, hint: JsonValue) -> JsonValue:
        try:
            found = await self._renderer(placeholder.satisfying, schema, hint)
        except TemplateFailed:
            found = None
        if found is None:
            raise OutputsInvalid("dry run: found no placeholder that satisfies `outputs`; write a rule for this task")
        return found[0]

    def _counter(self, run: str) -> Counter[int]:
        counter = self._given.setdefault(run, Counter())
        if len(self._given) > RUNS_COUNTED:
            del self._given[next(iter(self._given))]
        return counter


def print_prompt(rehearsal: BranchScript, who: str, prompt: str, transcript: Transcript) -> None:
    """Show what the model would be asked: whole for a task's first branch, cut for the others."""
    if not rehearsal.first and len(prompt) > CUT:
        prompt = f"{prompt[:CUT]}…"
    transcript.say("prompt", who, prompt, shown=WHOLE)
