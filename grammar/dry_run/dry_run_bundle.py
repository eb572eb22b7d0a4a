"""From a bundle to its dry run: the rules file checked, and what later tasks will read of earlier ones. Pure."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grammar.documents.document import Document
from grammar.documents.models import Task
from grammar.documents.references import SearchPath
from grammar.documents.rules import (
    DryRunScript,
    Rule,
    RuleCondition,
    RulesFile,
    ScriptedCall,
    ScriptedError,
    WantedValue,
)
from grammar.dry_run.inferred_types import InferredType, read_expression, read_template
from grammar.errors import InvalidFlow
from grammar.loading.bundle import Loaded, content_hash
from grammar.loading.library import MOST_OF_A_NAME, Library
from grammar.loading.source import FieldPath, Source, read
from grammar.messages.run_bundle import Bundle
from grammar.problems import Problem

SUFFIX = ".dry.yaml"
TEXT = "dry run"


def rules_beside(flow: Path) -> Path | None:
    """Return `NAME.dry.yaml` beside the flow `NAME.yaml`; None: there is none."""
    path = flow.with_name(flow.stem + SUFFIX)
    return path if path.is_file() else None


def as_dry_run(loaded: Loaded, rules: Path | None) -> Loaded:
    """Return the same run as a dry run, by the rules of that file. Raises InvalidFlow with every problem in it.

    `rules`: a rules file; None: there are no rules.
    """
    bundle = loaded.bundle
    script = DryRunScript(rules=list(_rules(rules, bundle.tasks)) if rules else [], wanted=wanted(bundle))
    dry = bundle.model_copy(update={"script": script})
    return replace(loaded, bundle=dry.model_copy(update={"hash": content_hash(dry)}))


def _rules(path: Path, tasks: Sequence[Task]) -> tuple[Rule, ...]:
    source = read(path)
    library = Library(SearchPath(), strict=True)
    for where, data, model in _parts(source):
        library.warn_unknown(source, data, model, where)
    try:
        rules = source.validate(RulesFile, source.data).rules
    except InvalidFlow as invalid:
        raise InvalidFlow([*invalid.problems, *library.problems]) from None
    for index, rule in enumerate(rules):
        library.problems += _misplaced(rule, ("rules", index), source, tasks)
    library.raise_problems()
    return rules


def _parts(source: Source) -> list[tuple[FieldPath, Any, type[Document]]]:
    """Every map in the file whose keys are known."""
    rules = source.data.get("rules")
    parts: list[tuple[FieldPath, Any, type[Document]]] = [((), source.data, RulesFile)]
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if not isinstance(rule, dict):
            continue
        where: FieldPath = ("rules", index)
        parts += [(where, rule, Rule), ((*where, "when"), rule.get("when"), RuleCondition)]
        parts += [((*where, "error"), rule.get("error"), ScriptedError)]
        calls = rule.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            parts.append(((*where, "tool_calls", number), call, ScriptedCall))
    return parts


def _misplaced(rule: Rule, where: FieldPath, source: Source, tasks: Sequence[Task]) -> list[Problem]:
    """A rule for a task that is not there, or is not answered so."""
    name = rule.when.task
    if name is None:
        return []
    path = (*where, "when", "task")
    meant = [task for task in tasks if name in (task.name, task.id)]
    if not meant:
        names = [known for task in tasks for known in (task.name, task.id) if known]
        close = difflib.get_close_matches(name[:MOST_OF_A_NAME], names)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return [source.problem(path, f"no task has the name or id {name!r}{hint}")]
    if any((task.run is not None) == (rule.kind == "shell") for task in meant):
        return []
    if rule.kind == "shell":
        return [source.problem(path, f"{name!r} runs an agent: answer with {', '.join(Rule.AGENT)}")]
    return [source.problem(path, f"{name!r} runs a script: answer with {', '.join(Rule.SHELL)}")]


def wanted(bundle: Bundle) -> dict[int, WantedValue]:
    """Return what later tasks read, by the index of the task that gives it, from 0.

    A task of which nothing is read is left out.
    """
    read_values = _ReadValues(bundle)
    for index, task in enumerate(bundle.tasks):
        read_values.take(index, task)
    return {index: found for index in range(len(bundle.tasks)) if (found := read_values.wanted(index))}


class _ReadValues:
    """Walks the tasks as a run would. `_inferred`: for each task, what is read of the value of one of its branches."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._inferred = [InferredType() for _ in bundle.tasks]
        self._named: dict[str, InferredType] = {}
        self._taken: Counter[int] = Counter()
        self._carry_over: list[int] = []
        self._last: int | None = None

    def take(self, index: int, task: Task) -> None:
        """Note what the task reads, and what it leaves for those after it."""
        scope: dict[str, InferredType] = {"outputs": InferredType(keys=self._named)}
        if task.if_ is not None:
            read_expression(task.if_, scope)
        item = self._item(task, scope)
        if item:
            scope["result"] = item
        if task.user_prompt is not None:
            read_template(task.user_prompt, scope, self._bundle.prompts)
        if self._pushes(task):
            self._carry_over.append(index)
        if task.id:
            inferred = self._inferred[index]
            self._named[task.id] = _entries(inferred, item) if task.fans_out else inferred

    def wanted(self, index: int) -> WantedValue | None:
        """None where nothing is read of the task that it could give."""
        task, inferred, taken = self._bundle.tasks[index], self._inferred[index], self._taken[index]
        if not inferred.read or not (taken or self._gives_value(task)):
            return None
        plain = not inferred.keys and inferred.element is None and inferred.example is None
        results = max(taken, int(task.capture == "tool_result"))
        return WantedValue(value=TEXT if plain else inferred.value(), results=results)

    def _item(self, task: Task, scope: Mapping[str, InferredType]) -> InferredType | None:
        """What is read of one item."""
        if task.over is not None:
            return read_expression(task.over, scope).item()
        if not task.repeat_prompt:
            return None
        source = self._carry_over[-1] if self._carry_over else self._last
        if source is None:
            return InferredType()
        # Each branch of a fan-out leaves its own result, so there is more of it.
        if self._carry_over and not self._bundle.tasks[source].repeats:
            self._carry_over.pop()
        self._last = source
        self._taken[source] = 1 if self._bundle.tasks[source].repeats else self._taken[source] + 1
        return self._inferred[source].item()

    def _pushes(self, task: Task) -> bool:
        return len(task.choices) == 1 and self._gives_results(task)

    def _gives_results(self, task: Task) -> bool:
        """Whether tools may give results: its toolboxes', or the one that a dry run brings where a value is a must."""
        must = task.outputs is not None and task.capture == "tool_result"
        return task.run is not None or must or bool(self._bundle.toolboxes_of(task))

    def _gives_value(self, task: Task) -> bool:
        """Whether `outputs.<id>` could hold more than a text, or nothing."""
        return self._gives_results(task) if task.capture == "tool_result" else task.outputs is not None


def _entries(result: InferredType, item: InferredType | None) -> InferredType:
    """What is read of the list that a fan-out publishes is read of its results, and of its items."""
    return InferredType(element=InferredType(keys={"result": result} | ({"value": item} if item else {})))
