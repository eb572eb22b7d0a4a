"""The rules by which a dry run answers in place of models and scripts, and the part of them that one branch needs.

A rules file is a YAML document of its own, `NAME.dry.yaml` beside `NAME.yaml`. The first rule that fits answers.
"""

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator

from grammar.documents.models import Document, Task, Text

HANDOFF = "transfer_to_"

Kind = Literal["agent", "shell"]


class When(Document):
    """What an answer is for; what is not said does not matter. Numbers count from 1.

    `task`: its name or `id`. `turn`: the model's. `attempt`: of the branch's activity. `prompt`: a regular
    expression that is found in what the agent was told last.
    """

    task: Text | None = None
    item: int | None = Field(default=None, ge=1)
    turn: int | None = Field(default=None, ge=1)
    attempt: int | None = Field(default=None, ge=1)
    prompt: str | None = None
    model: str | None = None

    @field_validator("prompt")
    @classmethod
    def _compiles(cls, prompt: str | None) -> str | None:
        try:
            re.compile(prompt or "")
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return prompt

    def fits(self, prompt: str, turn: int, attempt: int) -> bool:
        """Whether that is what the answer is for, as far as the moment goes."""
        met = self.turn in (None, turn) and self.attempt in (None, attempt)
        return met and (self.prompt is None or re.search(self.prompt, prompt) is not None)


class ScriptedCall(Document):
    """A tool call that the model makes."""

    name: str = Field(min_length=1)
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class ScriptedError(Document):
    """What the model endpoint answers instead. `retry_after`: seconds, as its header asks."""

    status: int = Field(ge=400, le=599)
    message: str = "scripted error"
    retry_after: float | None = Field(default=None, ge=0)


class Rule(Document):
    """One answer: of an agent (`text`, `tool_calls`, `result` or `error`), or of a script (or `run` it).

    `times`: how often it may be given in a run, as the worker's process counts. `result`: what a tool is taken
    to have given; a final text follows by itself.
    """

    when: When = When()
    times: int | None = Field(default=None, ge=1)
    text: str | None = None
    tool_calls: tuple[ScriptedCall, ...] = ()
    result: JsonValue = None
    error: ScriptedError | None = None
    stdout: str | None = None
    stderr: str | None = None
    exit_code: int | None = Field(default=None, ge=0, le=255)
    run: bool = False

    AGENT: ClassVar[tuple[str, ...]] = ("text", "tool_calls", "result", "error")
    SHELL: ClassVar[tuple[str, ...]] = ("stdout", "stderr", "exit_code", "run")

    @model_validator(mode="after")
    def _one_answer(self) -> "Rule":
        agent, shell = self._said(self.AGENT), self._said(self.SHELL)
        if not agent and not shell:
            raise ValueError(f"a rule needs an answer: one of {', '.join((*self.AGENT, *self.SHELL))}")
        if agent and shell:
            raise ValueError(f"`{agent[0]}` is an agent's answer and `{shell[0]}` a script's; a rule has one of them")
        if len(agent) > 1 or ("run" in shell and len(shell) > 1):
            raise ValueError(f"{' and '.join(f'`{name}`' for name in agent or shell)} do not go together")
        return self

    @property
    def kind(self) -> Kind:
        """Which tasks it can answer for."""
        return "agent" if self._said(self.AGENT) else "shell"

    @property
    def calls_tools(self) -> bool:
        """Whether it needs the task's toolboxes."""
        return any(not call.name.startswith(HANDOFF) for call in self.tool_calls)

    def _said(self, names: Sequence[str]) -> list[str]:
        empty = {"tool_calls": (), "run": False}
        return [name for name in names if getattr(self, name) != empty.get(name)]


class Rules(Document):
    """A rules file."""

    rules: tuple[Rule, ...] = ()


class WantedValue(BaseModel):
    """What later tasks read of a task: a value of that form, and how many tool results they take."""

    value: JsonValue
    results: int = 1


class DryRunScript(BaseModel):
    """What makes a run a dry run. `wanted`: by the index of the task."""

    rules: list[Rule] = []
    wanted: dict[int, WantedValue] = {}


class NumberedRule(BaseModel):
    """A rule, and its number in the file, from 0."""

    number: int
    rule: Rule


class BranchScript(BaseModel):
    """The part of the script that concerns one branch. `first`: of the task; its prompt is shown whole."""

    rules: list[NumberedRule] = []
    wanted: WantedValue | None = None
    first: bool = True

    @property
    def needs_toolboxes(self) -> bool:
        """Whether a tool may be called."""
        return any(one.rule.calls_tools for one in self.rules)

    def fitting(self, prompt: str, turn: int, attempt: int) -> list[NumberedRule]:
        """The rules that may answer now, in their order."""
        return [one for one in self.rules if one.rule.when.fits(prompt, turn, attempt)]


def branch_script(
    script: DryRunScript, task: Task, index: int, item: int, models: Sequence[str | None]
) -> BranchScript:
    """What a branch is to be answered. `index`, `item`: from 0. `models`: what its model goes by."""
    kind: Kind = "agent" if task.run is None else "shell"
    names = (None, task.name, task.id)

    def concerns(rule: Rule) -> bool:
        when = rule.when
        known = when.model is None or when.model in models
        return rule.kind == kind and when.task in names and when.item in (None, item + 1) and known

    rules = [NumberedRule(number=number, rule=rule) for number, rule in enumerate(script.rules) if concerns(rule)]
    return BranchScript(rules=rules, wanted=script.wanted.get(index), first=item == 0)
