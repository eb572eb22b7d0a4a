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

UNREAD = "dry run"
"""The text of an answer that no later task reads."""
FULL_PROMPT = 20_000
SHORT_PROMPT = 120
MAX_RUNS = 1_000


@dataclass(frozen=True)
class ScriptOutput:
    """What a script that is not run is taken to have written."""

    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class Placeholders:
    """What an agent answers where no rule fits: `results` tool results, each `result`, and a final text."""

    results: int
    result: str
    text: str


class DryRunAnswers:
    """Find the answers for the branches of dry runs. How often a rule has answered in a run is counted per worker."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._used: dict[str, Counter[int]] = {}

    async def rule(self, dry_run: BranchScript, prompt: str, turn: int = 1) -> Rule | None:
        """Return the rule that answers now, and count its use; None where none fits.

        The renderer limits the time: a rule's pattern may search for ever.
        """
        if not dry_run.rules:
            return None
        info = activity.info()
        fitting = await self._renderer(dry_run.fitting, prompt, turn, info.attempt)
        used = self._counter(info.workflow_run_id or "")
        for numbered in fitting:
            if numbered.rule.times is None or used[numbered.number] < numbered.rule.times:
                used[numbered.number] += 1
                return numbered.rule
        return None

    async def script_output(
        self, request: ShellRequest, dry_run: BranchScript, transcript: Transcript
    ) -> ScriptOutput | None:
        """Return what the script is taken to have written; None where a rule says to run it."""
        record_prompt(dry_run, "bash", request.script, transcript)
        rule = await self.rule(dry_run, request.script)
        if rule is None:
            return ScriptOutput(stdout=await self._text(request.outputs, dry_run))
        return None if rule.run else ScriptOutput(rule.exit_code or 0, rule.stdout or "", rule.stderr or "")

    async def placeholders(self, request: AgentRequest, dry_run: BranchScript) -> Placeholders:
        """Return what later tasks read of the agent, in the form of its `outputs`.

        Raises OutputsInvalid where no placeholder satisfies them.
        """
        results = dry_run.wanted.results if dry_run.wanted else 0
        if request.capture == "response":
            final = UNREAD if request.outputs is None else await self._text(request.outputs, dry_run)
            return Placeholders(results, await self._text(None, dry_run), final)
        results = max(results, 1) if request.outputs is not None else results
        return Placeholders(results, await self._text(request.outputs, dry_run), UNREAD)

    async def _text(self, schema: Schema | None, dry_run: BranchScript) -> str:
        if schema is None and dry_run.wanted is None:
            return UNREAD
        value = dry_run.wanted.value if dry_run.wanted else None
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
        counter = self._used.setdefault(run, Counter())
        if len(self._used) > MAX_RUNS:
            del self._used[next(iter(self._used))]
        return counter


def record_prompt(dry_run: BranchScript, who: str, prompt: str, transcript: Transcript) -> None:
    """Add the prompt or script to the transcript: in full for a task's first branch, cut short for the others."""
    if not dry_run.first and len(prompt) > SHORT_PROMPT:
        prompt = f"{prompt[:SHORT_PROMPT]}…"
    transcript.add("prompt", who, prompt, length=FULL_PROMPT)
