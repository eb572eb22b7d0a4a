"""The rules by which a dry run answers in place of models and scripts, and the part of them that one branch needs.

A rules file is a YAML document of its own, `NAME.dry.yaml` beside `NAME.yaml`. The first rule that fits answers.
"""

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator

from grammar.documents.document import Document
from grammar.documents.field_types import Text
from grammar.documents.models import Task

HANDOFF = "transfer_to_"

TaskKind = Literal["agent", "shell"]


class RuleCondition(Document):
    """What an answer is for. Numbers count from 1; None: it does not matter."""

    task: Text | None = None
    """The name or the `id` of the task."""
    item: int | None = Field(default=None, ge=1)
    """The number of the item."""
    turn: int | None = Field(default=None, ge=1)
    """The model's turn."""
    attempt: int | None = Field(default=None, ge=1)
    """The attempt of the branch's activity."""
    prompt: str | None = None
    """A regular expression that is found in what the agent was told last."""
    model: str | None = None
    """The model, by its logical name or the provider's id."""

    @field_validator("prompt")
    @classmethod
    def _compiles(cls, prompt: str | None) -> str | None:
        try:
            re.compile(prompt or "")
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return prompt

    def fits(self, prompt: str, turn: int, attempt: int) -> bool:
        """Return whether that is what the answer is for, as far as prompt, turn and attempt go."""
        met = self.turn in (None, turn) and self.attempt in (None, attempt)
        return met and (self.prompt is None or re.search(self.prompt, prompt) is not None)


class ScriptedCall(Document):
    """A tool call that the model makes."""

    name: str = Field(min_length=1)
    """The tool's name, or `transfer_to_` and the name of an agent."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """The arguments."""


class ScriptedError(Document):
    """An error that the model endpoint answers with."""

    status: int = Field(ge=400, le=599)
    """The HTTP status."""
    message: str = "scripted error"
    """What it says."""
    retry_after: float | None = Field(default=None, ge=0)
    """The seconds that it asks to wait; None: it does not say."""


class Rule(Document):
    """One answer: an agent's, by one of the fields AGENT, or a script's, by some of SHELL. The others are not set."""

    when: RuleCondition = RuleCondition()
    """What it is for."""
    times: int | None = Field(default=None, ge=1)
    """How often it may be given in a run, as the worker's process counts; None: any number of times."""
    text: str | None = None
    """The agent's final text."""
    tool_calls: tuple[ScriptedCall, ...] = ()
    """The tool calls that the model makes."""
    result: JsonValue = None
    """What a tool is taken to have given; a final text follows by itself."""
    error: ScriptedError | None = None
    """What the endpoint answers instead."""
    stdout: str | None = None
    """What the script writes to stdout."""
    stderr: str | None = None
    """What the script writes to stderr."""
    exit_code: int | None = Field(default=None, ge=0, le=255)
    """What the script exits with; None: 0."""
    run: bool = False
    """Whether the script is run after all."""

    AGENT: ClassVar[tuple[str, ...]] = ("text", "tool_calls", "result", "error")
    SHELL: ClassVar[tuple[str, ...]] = ("stdout", "stderr", "exit_code", "run")

    @model_validator(mode="after")
    def _one_answer(self) -> "Rule":
        agent, shell = self._given(self.AGENT), self._given(self.SHELL)
        if not agent and not shell:
            raise ValueError(f"a rule needs an answer: one of {', '.join((*self.AGENT, *self.SHELL))}")
        if agent and shell:
            raise ValueError(f"`{agent[0]}` is an agent's answer and `{shell[0]}` a script's; a rule has one of them")
        if len(agent) > 1 or ("run" in shell and len(shell) > 1):
            raise ValueError(f"{' and '.join(f'`{name}`' for name in agent or shell)} do not go together")
        return self

    @property
    def kind(self) -> TaskKind:
        """Return which tasks it can answer for."""
        return "agent" if self._given(self.AGENT) else "shell"

    @property
    def calls_tools(self) -> bool:
        """Return whether it calls tools, and so needs the task's toolboxes."""
        return any(not call.name.startswith(HANDOFF) for call in self.tool_calls)

    def _given(self, names: Sequence[str]) -> list[str]:
        empty = {"tool_calls": (), "run": False}
        return [name for name in names if getattr(self, name) != empty.get(name)]


class RulesFile(Document):
    """A rules file."""

    rules: tuple[Rule, ...] = ()
    """The rules; the first one that fits answers."""


class WantedValue(BaseModel):
    """What later tasks read of a task."""

    value: JsonValue
    """A value of the form that they read."""
    results: int = 1
    """How many tool results they take."""


class DryRunScript(BaseModel):
    """What makes a run a dry run."""

    rules: list[Rule] = []
    """The rules, in the order of the file; empty: there is none."""
    wanted: dict[int, WantedValue] = {}
    """What later tasks read, by the index of the task that gives it, from 0."""


class NumberedRule(BaseModel):
    """A rule, and where it stands in the file."""

    number: int
    """Its number in the file, from 0."""
    rule: Rule
    """The rule."""


class BranchScript(BaseModel):
    """The part of the script that concerns one branch."""

    rules: list[NumberedRule] = []
    """The rules that may answer in it, in their order."""
    wanted: WantedValue | None = None
    """What later tasks read of its task; None: nothing."""
    first: bool = True
    """Whether it is of the task's first item: its prompt is shown whole."""

    @property
    def needs_toolboxes(self) -> bool:
        """Return whether a tool may be called."""
        return any(numbered.rule.calls_tools for numbered in self.rules)

    def fitting(self, prompt: str, turn: int, attempt: int) -> list[NumberedRule]:
        """Return the rules that may answer now, in their order. `turn`, `attempt`: from 1."""
        return [numbered for numbered in self.rules if numbered.rule.when.fits(prompt, turn, attempt)]


def branch_script(
    script: DryRunScript, task: Task, index: int, item: int, models: Sequence[str | None]
) -> BranchScript:
    """Return the part of the script that concerns one branch.

    `index`: of the task, from 0. `item`: its number, from 0. `models`: the names that the branch's model goes by.
    """
    kind: TaskKind = "agent" if task.run is None else "shell"
    names = (None, task.name, task.id)

    def concerns(rule: Rule) -> bool:
        when = rule.when
        known = when.model is None or when.model in models
        return rule.kind == kind and when.task in names and when.item in (None, item + 1) and known

    rules = [NumberedRule(number=number, rule=rule) for number, rule in enumerate(script.rules) if concerns(rule)]
    return BranchScript(rules=rules, wanted=script.wanted.get(index), first=item == 0)
