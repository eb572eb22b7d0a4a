"""What each task reads, against what is there by then (specification sections 3 to 5): names, results, variables.

An error is what can only fail. What fails in a branch that may never be reached, or may be meant, is a warning.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from grammar.documents.models import ModelConfig, Task
from grammar.loading.library import Library
from grammar.loading.tasks import TaskSource
from grammar.templating import task_templates, template_check
from grammar.templating.template_check import Complaint, Outline, Scope

_PROMPT = frozenset({"globals", "inputs", "outputs", "env"})
_EXPRESSION = _PROMPT
_ENV = frozenset({"globals", "env"})
_NOT_REPEATING = "only a task with `repeat_prompt` or `over` has an item"


def check(
    tasks: Sequence[TaskSource], parsed: Sequence[Task], globals_: Mapping[str, JsonValue], library: Library
) -> None:
    """Note in the library what no earlier task, no global and no input provides."""
    before = _Before(frozenset(globals_), {task.id: i for i, task in reversed(list(enumerate(parsed))) if task.id})
    for written, task in zip(tasks, parsed, strict=True):
        _Check(written, task, before, library).check()
        before = before.after(written, task, library)


@dataclass(frozen=True)
class _Before:
    """What there is before a task. `all_ids`: of every task, with its index. `whole`: all tasks before are.

    `results`: at most so many tool results to repeat over; None: any number.
    """

    globals_: frozenset[str]
    all_ids: Mapping[str, int]
    ids: frozenset[str] = frozenset()
    skippable: frozenset[str] = frozenset()
    results: int | None = 0
    whole: bool = True

    def after(self, written: TaskSource, task: Task, library: Library) -> "_Before":
        """What there is after the task."""
        mine = {task.id} if task.id else set()
        return _Before(
            self.globals_,
            self.all_ids,
            self.ids | mine,
            self.skippable | mine if task.if_ is not None else self.skippable - mine,
            self._results_after(task, library) if written.whole else None,
            self.whole and written.whole,
        )

    def _results_after(self, task: Task, library: Library) -> int | None:
        if self.results is None or (len(task.choices) == 1 and _may_call_tools(task, library)):
            return None
        if task.run is not None:
            return None if task.repeats else self.results + 1
        taken = task.repeat_prompt and task.over is None and task.if_ is None
        return max(0, self.results - taken)


def _may_call_tools(task: Task, library: Library) -> bool:
    """Whether its agents may have tools; also where a personality could not be read."""
    if task.run is not None:
        return False
    if task.toolboxes is not None:
        return bool(task.toolboxes)
    known = [library.personalities.get(name) for name in task.agents]
    return not known or any(one is None or one.toolboxes for one in known)


@dataclass(frozen=True)
class _Included:
    """A prompt, and the line of the task's own template that leads to it.

    `guarded`, `names`: what is guarded on the way there, and which names there are.
    """

    name: str | None
    line: int
    certain: bool
    guarded: frozenset[tuple[str, str | None]]
    names: frozenset[str]

    def sort_in(self, outline: Outline, certain: list["_Included"], possible: list["_Included"]) -> None:
        """What it includes itself, which reads what it defines, too. `outline`: its own."""
        guarded, names = self.guarded | outline.guarded, self.names | outline.defined
        for one in reversed(outline.includes):
            sure = self.certain and one.certain
            (certain if sure else possible).append(_Included(one.name, self.line or one.line, sure, guarded, names))


class _Check:
    """The templates of one task, and what it repeats over."""

    def __init__(self, written: TaskSource, task: Task, before: _Before, library: Library) -> None:
        self._written = written
        self._task = task
        self._before = before
        self._library = library
        self._met: frozenset[tuple[str, str | None]] = frozenset()
        self._scopes: dict[tuple[frozenset[str], frozenset[str]], Scope] = {}

    def check(self) -> None:
        # What its condition reads is there, else the task is skipped.
        self._met = frozenset(read.path for read in self._condition().reads)
        self._over()
        self._prompt()
        self._env()
        self._nothing_to_repeat()

    def _scope(self, names: frozenset[str], skipped: frozenset[str] = frozenset()) -> Scope:
        if (names, skipped) not in self._scopes:
            self._scopes[names, skipped] = self._new_scope(names, skipped)
        return self._scopes[names, skipped]

    def _new_scope(self, names: frozenset[str], skipped: frozenset[str]) -> Scope:
        before = self._before
        keys = {"globals": before.globals_}
        # Of what is malformed, or missing, it is not known what it says.
        if self._written.whole:
            keys["inputs"] = frozenset(self._task.inputs)
        else:
            names |= {"result"}
        if before.whole:
            keys["outputs"] = before.ids - skipped
        hints: dict[tuple[str, str | None], str] = {
            ("outputs", one): f"the task with that `id` comes later (task {index + 1})"
            for one, index in before.all_ids.items()
            if one not in before.ids
        }
        if self._task.id:
            hints["outputs", self._task.id] = "that is what this task itself gives"
        hints |= {("outputs", one): "the task with that `id` may be skipped, by its `if`" for one in skipped}
        if not self._task.repeats:
            hints["result", None] = _NOT_REPEATING
        return Scope(keys, names, self._library.open, hints)

    def _condition(self) -> Outline:
        outline = self._expression("if", self._task.if_)
        for read in outline.reads:
            if found := template_check.missing(read, self._scope(_EXPRESSION), outline.guarded):
                message = f"{found.message}; the task is skipped"
                self._complain("if", Complaint(found.line, message, certain=False))
        return outline

    def _over(self) -> None:
        outline = self._expression("over", self._task.over)
        self._reads("over", outline, _EXPRESSION)

    def _expression(self, field: str, expression: str | None) -> Outline:
        if expression is None:
            return Outline()
        template = task_templates.as_template(expression)
        self._syntax(template, field)
        return template_check.outline(template)

    def _syntax(self, template: str, *where: str) -> None:
        source, place = self._written.at(*where)
        if malformed := self._library.syntax(template, source, place):
            self._library.complain(source, place, malformed)

    def _prompt(self) -> None:
        prompt = self._written.data.get("user_prompt")
        if self._task.user_prompt is None or not isinstance(prompt, str):
            return
        names = _PROMPT | {"result"} if self._task.repeats else _PROMPT
        outline = template_check.outline(prompt)
        self._reads("user_prompt", outline, names)
        for complaint in self._included(outline, names):
            self._complain("user_prompt", complaint)
        for read in outline.variables:
            self._hint_unset(read)

    def _reads(self, field: str, outline: Outline, names: frozenset[str]) -> None:
        guarded = outline.guarded | self._met
        for read in outline.reads:
            if found := template_check.missing(read, self._scope(names), guarded):
                self._complain(field, found)
            elif self._task.if_ is None and read.name == "outputs" and read.certain:
                maybe = template_check.missing(read, self._scope(names, self._before.skippable), guarded)
                if maybe:
                    self._complain(field, Complaint(maybe.line, maybe.message, certain=False))

    def _included(self, outline: Outline, names: frozenset[str]) -> Iterator[Complaint]:
        """What the prompts that it includes read, told at the include: they may fit elsewhere."""
        told: set[str | None] = {None}
        certain: list[_Included] = []
        possible: list[_Included] = []
        _Included(None, 0, True, self._met, names).sort_in(outline, certain, possible)
        while left := certain or possible:  # the certain ones first: each is told of once
            one = left.pop()
            if one.name in told or one.name not in self._library.prompts:
                continue
            told.add(one.name)
            inner = template_check.outline(self._library.prompts[one.name])
            one.sort_in(inner, certain, possible)
            for read in inner.reads:
                if found := template_check.missing(read, self._scope(one.names), one.guarded | inner.guarded):
                    message = f"in the included {self._library.sources[one.name].label}: {found.message}"
                    yield Complaint(one.line, message, one.certain and found.certain)

    def _env(self) -> None:
        for name, value in self._task.env.items():
            self._syntax(value, "env", name)
            for found in template_check.undefined(value, self._scope(_ENV)):
                self._complain("env", found, name)
            for read in template_check.outline(value).variables:
                self._hint_unset(read, "env", name)

    def _nothing_to_repeat(self) -> None:
        task = self._task
        if not task.repeat_prompt or task.over is not None or self._before.results != 0 or not self._written.whole:
            return
        message = (
            "nothing to repeat over: no earlier task can have produced a result that is still there; "
            "a `run` or a task with tools does, or write `over`"
        )
        problem = self._written.problem(message, "repeat_prompt")
        self._library.note(problem, certain=task.if_ is None and "result" not in self._library.open)

    def _complain(self, field: str, complaint: Complaint, *steps: str) -> None:
        source, where = self._written.at(field, *steps)
        certain = complaint.certain and (self._task.if_ is None or field == "if")
        self._library.complain(source, where, replace(complaint, certain=certain))

    def _hint_unset(self, read: template_check.Read, field: str = "user_prompt", *steps: str) -> None:
        if field == "env" or read.key not in self._task.env:
            self._library.need(read, *self._written.at(field, *steps))


def unlikely_model_names(task: Task, config: ModelConfig) -> Iterator[tuple[str, str]]:
    """(field, warning) for a model that looks like a misspelt logical name; it may be a provider's id as well."""
    logical = list(config.models)
    named = [("model", task.model)] if task.model else []
    named += [("models", choice.model) for choice in task.models]
    for field, name in named:
        close = difflib.get_close_matches(name[:100], logical, n=1, cutoff=0.75)
        if name not in logical and close:
            yield field, f"{name!r} is not in the model config, so it is a provider's id; did you mean {close[0]!r}?"
