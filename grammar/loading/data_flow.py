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
from grammar.templating import expressions, template_check, template_outline
from grammar.templating.expressions import as_template
from grammar.templating.template_check import Scope
from grammar.templating.template_outline import Outline, Read, TemplateProblem

_PROMPT = frozenset({"globals", "inputs", "outputs", "env"})
_EXPRESSION = _PROMPT
_ENV = frozenset({"globals", "env"})
_NOT_REPEATING = "only a task with `repeat_prompt` or `over` has an item"


def check(
    task_sources: Sequence[TaskSource], parsed: Sequence[Task], globals_: Mapping[str, JsonValue], library: Library
) -> None:
    """Note in the library what tasks read and no earlier task, no global and no input provides.

    `task_sources`, `parsed`: the tasks as they are written, and as they are read. `globals_`: with those of -g.
    """
    ids = {task.id: index for index, task in reversed(list(enumerate(parsed))) if task.id}
    available = _Available(frozenset(globals_), ids)
    for task_source, task in zip(task_sources, parsed, strict=True):
        _TaskCheck(task_source, task, available, library).check()
        available = available.after(task_source, task, library)


@dataclass(frozen=True)
class _Available:
    """What there is before a task."""

    globals_: frozenset[str]
    """The names of the globals."""
    all_ids: Mapping[str, int]
    """The ids of all tasks, with the index of the first task that has each."""
    ids: frozenset[str] = frozenset()
    """The ids of the tasks before."""
    skippable: frozenset[str] = frozenset()
    """Those of tasks that may be skipped."""
    results: int | None = 0
    """How many tool results there are to repeat over, at most; None: any number."""
    complete: bool = True
    """Whether all tasks before are complete: of others it is not known what they give."""

    def after(self, task_source: TaskSource, task: Task, library: Library) -> "_Available":
        """What there is after the task."""
        own = {task.id} if task.id else set()
        return _Available(
            self.globals_,
            self.all_ids,
            self.ids | own,
            self.skippable | own if task.if_ is not None else self.skippable - own,
            self._results_after(task, library) if task_source.complete else None,
            self.complete and task_source.complete,
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
    return not known or any(personality is None or personality.toolboxes for personality in known)


@dataclass(frozen=True)
class _IncludedPrompt:
    """A prompt that a task's template includes, or that another included prompt does."""

    name: str | None
    """Its name; None: the task's own template."""
    line: int
    """The line of the task's own template that leads to it; 0: that template itself."""
    certain: bool
    """Whether it is included whenever the template renders."""
    guarded: frozenset[tuple[str, str | None]]
    """The paths that are guarded on the way to it."""
    names: frozenset[str]
    """The names that there are on the way to it."""

    def sort_includes(
        self, outline: Outline, certain: list["_IncludedPrompt"], possible: list["_IncludedPrompt"]
    ) -> None:
        """Add what it includes itself, the last one first; that reads what it defines, too. `outline`: its own."""
        guarded, names = self.guarded | outline.guarded, self.names | outline.defined
        for include in reversed(outline.includes):
            is_certain = self.certain and include.certain
            prompt = _IncludedPrompt(include.name, self.line or include.line, is_certain, guarded, names)
            (certain if is_certain else possible).append(prompt)


class _TaskCheck:
    """The templates of one task, and what it repeats over."""

    def __init__(self, task_source: TaskSource, task: Task, available: _Available, library: Library) -> None:
        self._task_source = task_source
        self._task = task
        self._available = available
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
        available = self._available
        keys = {"globals": available.globals_}
        # Of what is malformed, or missing, it is not known what it says.
        if self._task_source.complete:
            keys["inputs"] = frozenset(self._task.inputs)
        else:
            names |= {"result"}
        if available.complete:
            keys["outputs"] = available.ids - skipped
        hints: dict[tuple[str, str | None], str] = {
            ("outputs", id_): f"the task with that `id` comes later (task {index + 1})"
            for id_, index in available.all_ids.items()
            if id_ not in available.ids
        }
        if self._task.id:
            hints["outputs", self._task.id] = "that is what this task itself gives"
        hints |= {("outputs", id_): "the task with that `id` may be skipped, by its `if`" for id_ in skipped}
        if not self._task.repeats:
            hints["result", None] = _NOT_REPEATING
        return Scope(keys, names, self._library.open_names, hints)

    def _condition(self) -> Outline:
        outline = self._expression("if", self._task.if_)
        for read in outline.reads:
            if found := template_check.missing(read, self._scope(_EXPRESSION), outline.guarded):
                message = f"{found.message}; the task is skipped"
                self._note("if", replace(found, message=message, certain=False))
        return outline

    def _over(self) -> None:
        outline = self._expression("over", self._task.over)
        self._reads("over", outline, _EXPRESSION)

    def _expression(self, field: str, expression: str | None) -> Outline:
        if expression is None:
            return Outline()
        template = as_template(expression)
        source, path = self._task_source.location(field)
        malformed = self._library.syntax_problem(template, source, path)
        if advice := expressions.advice(expression, compiles=malformed is None):
            malformed = TemplateProblem(malformed.line if malformed else 1, advice)
        if malformed:
            self._library.note_template_problem(source, path, malformed)
            return Outline()
        return template_outline.outline(template)

    def _syntax(self, template: str, field: str, *steps: str) -> None:
        source, path = self._task_source.location(field, *steps)
        if malformed := self._library.syntax_problem(template, source, path):
            self._library.note_template_problem(source, path, malformed)

    def _prompt(self) -> None:
        prompt = self._task_source.fields.get("user_prompt")
        if self._task.user_prompt is None or not isinstance(prompt, str):
            return
        names = _PROMPT | {"result"} if self._task.repeats else _PROMPT
        outline = template_outline.outline(prompt)
        self._reads("user_prompt", outline, names)
        for problem in self._included(outline, names):
            self._note("user_prompt", problem)
        for read in outline.variables:
            self._note_needed(read)

    def _reads(self, field: str, outline: Outline, names: frozenset[str]) -> None:
        guarded = outline.guarded | self._met
        for read in outline.reads:
            if found := template_check.missing(read, self._scope(names), guarded):
                self._note(field, found)
            elif self._task.if_ is None and read.name == "outputs" and read.certain:
                skippable = template_check.missing(read, self._scope(names, self._available.skippable), guarded)
                if skippable:
                    self._note(field, replace(skippable, certain=False))

    def _included(self, outline: Outline, names: frozenset[str]) -> Iterator[TemplateProblem]:
        """What is wrong in the prompts that it includes, each once, at the include: they may fit elsewhere."""
        seen: set[str | None] = {None}
        certain: list[_IncludedPrompt] = []
        possible: list[_IncludedPrompt] = []
        _IncludedPrompt(None, 0, True, self._met, names).sort_includes(outline, certain, possible)
        while left := certain or possible:  # the certain ones first: each is noted once
            prompt = left.pop()
            if prompt.name in seen or prompt.name not in self._library.prompts:
                continue
            seen.add(prompt.name)
            inner = template_outline.outline(self._library.prompts[prompt.name])
            prompt.sort_includes(inner, certain, possible)
            for read in inner.reads:
                if found := template_check.missing(read, self._scope(prompt.names), prompt.guarded | inner.guarded):
                    message = f"in the included {self._library.sources[prompt.name].label}: {found.message}"
                    yield TemplateProblem(prompt.line, message, prompt.certain and found.certain)

    def _env(self) -> None:
        for name, value in self._task.env.items():
            self._syntax(value, "env", name)
            for found in template_check.undefined(value, self._scope(_ENV)):
                self._note("env", found, name)
            for read in template_outline.outline(value).variables:
                self._note_needed(read, "env", name)

    def _nothing_to_repeat(self) -> None:
        task = self._task
        if (
            not task.repeat_prompt
            or task.over is not None
            or self._available.results != 0
            or not self._task_source.complete
        ):
            return
        message = (
            "nothing to repeat over: no earlier task can have produced a result that is still there; "
            "a `run` or a task with tools does, or write `over`"
        )
        problem = self._task_source.problem(message, "repeat_prompt")
        self._library.note(problem, certain=task.if_ is None and "result" not in self._library.open_names)

    def _note(self, field: str, problem: TemplateProblem, *steps: str) -> None:
        source, path = self._task_source.location(field, *steps)
        certain = problem.certain and (self._task.if_ is None or field == "if")
        self._library.note_template_problem(source, path, replace(problem, certain=certain))

    def _note_needed(self, read: Read, field: str = "user_prompt", *steps: str) -> None:
        if field == "env" or read.key not in self._task.env:
            self._library.note_needed(read, *self._task_source.location(field, *steps))


def unlikely_model_names(task: Task, config: ModelConfig) -> Iterator[tuple[str, str]]:
    """Yield (field, warning) for each model name that looks like a misspelt logical one; it may be a provider's id."""
    logical = list(config.models)
    named = [("model", task.model)] if task.model else []
    named += [("models", choice.model) for choice in task.models]
    named += [("fallback", name) for name in task.fallback or ()]
    for field, name in named:
        close = difflib.get_close_matches(name[:100], logical, n=1, cutoff=0.75)
        if name not in logical and close:
            yield field, f"{name!r} is not in the model config, so it is a provider's id; did you mean {close[0]!r}?"
