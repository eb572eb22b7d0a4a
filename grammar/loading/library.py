"""The documents that a flow refers to, each read once. Problems and warnings are gathered on the way."""

import difflib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from grammar.documents import other_names
from grammar.documents.document import Document
from grammar.documents.models import ModelConfig, Personality, Price, Prompt, ServerParams, Toolbox
from grammar.documents.references import Found, FoundDocument, SearchPath, is_path, published_in
from grammar.errors import InvalidFlow
from grammar.loading.source import HEADER, FieldPath, Source, display, field_name, read
from grammar.problems import Problem
from grammar.templating import template_check, template_outline, template_parser
from grammar.templating.template_outline import Include, Read, TemplateProblem

D = TypeVar("D", bound=Document)
T = TypeVar("T")

MOST_FINDINGS = 1_000
MOST_OF_A_NAME = 100
MOST_TOKENS = 100_000
MOST_NEAR = 50
_PLACES = {"package": "an installed package", "here": "the working directory"}


@dataclass(frozen=True)
class NeededVariable:
    """An environment variable that a template needs."""

    variable: str
    """Its name."""
    where: Problem
    """Where the template needs it, as a problem for the case that it is not set."""


class Library:
    """Read the documents that references lead to, each once. One that is missing or malformed is noted as a problem.

    `strict`: an unknown field is a problem, not a warning. `open_names`: what may still come from elsewhere,
    such as `globals`, `inputs`, `agents` and `result` from a task that uses this one.
    """

    def __init__(self, search: SearchPath, strict: bool = False, open_names: frozenset[str] = frozenset()) -> None:
        self.search = search
        self.strict = strict
        self.open_names = open_names
        self.personalities: dict[str, Personality] = {}
        self.toolboxes: dict[str, Toolbox] = {}
        self.prompts: dict[str, str] = {}
        self.sources: dict[str, Source] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.needs: list[NeededVariable] = []
        self.documents: list[FoundDocument] = []
        self._noted: set[tuple[Problem, bool]] = set()
        self._tokens = 0
        self._found: dict[tuple[str, Path], Found | None] = {}
        self._read: dict[tuple[str, Path], Source | None] = {}
        self._referrers: dict[Path, str] = {}
        self._parsed: dict[tuple[type[Document], Path], Document | None] = {}

    def raise_problems(self) -> None:
        """Raise InvalidFlow with all problems and warnings, if there is a problem."""
        if self.problems:
            raise InvalidFlow(self.problems, self.warnings)

    def document(self, name: str, kind: str, referrer: Source, where: FieldPath, line: int = 1) -> Source | None:
        """Return the document that a reference means, read once; None, with a problem noted, where it cannot be had.

        `kind`: what it must be. `referrer`, `where`: where the reference stands; `line`: in which line of the text
        there, from 1.
        """
        found = self._find(name, referrer)
        by = _in_text(referrer, where, line, "")
        if found is None:
            self.problems.append(replace(by, message=f"no {kind} {name!r} found {self._looked(name, referrer)}"))
            return None
        path = found.path
        if (kind, path) not in self._read:
            self.note_found(kind, name, found, by)
            self._referrers[path] = f"{by.file}:{by.line}: {by.field}" if by.line else by.field
            self._read[kind, path] = self._gather(lambda: read(path, kind=kind), path)
        return self._read[kind, path]

    def note_found(self, kind: str, name: str, found: Found, where: Problem) -> None:
        """Note a document that the flow consists of, and warn where its name might be thought to mean another file.

        `where`: the reference, as a problem.
        """
        self.documents.append(FoundDocument(kind, name, found.path, found.place))
        if other := self.search.passed_over(name):
            place = _PLACES.get(found.place, found.place)
            use = "" if other.place == "this installation" else "; to have that folder looked up first: --path"
            message = f"{name} is {display(found.path)} ({place}), not {display(other.path)}{use}"
            self.note(replace(where, message=message), certain=False)

    def _looked(self, name: str, referrer: Source) -> str:
        """Where a reference was looked up in vain, and what may be meant."""
        looked = "looked in TASKFLOW_PATH, --path, here, beside the flow, and in installed packages"
        if is_path(name):
            looked = f"looked for {display(referrer.path.parent / name)}"
        near = self.search.near(name, referrer.path) if len(self.problems) < MOST_NEAR else None
        if near:
            return f"({looked}); did you mean {near!r}?"
        package = published_in(name)
        hint = f"; it is in the package {package}: install that elsewhere, and add its folder to TASKFLOW_PATH"
        return f"({looked})" + (hint if package else "")

    def _find(self, name: str, referrer: Source) -> Found | None:
        """The file that a reference means, looked up once. Raises InvalidFlow where too many lead nowhere."""
        if len(self.problems) > MOST_FINDINGS:
            self.raise_problems()
        key = (name, referrer.path.parent)
        if key not in self._found:
            self._found[key] = self.search.locate(name, referrer.path)
        return self._found[key]

    def text_of(self, name: str, referrer: Source) -> str | None:
        """Return the text of a prompt; None where it cannot be had. What is wrong with it is noted where it is read."""
        found = self._find(name, referrer)
        try:
            text = read(found.path, kind="prompt").data.get("prompt") if found else None
        except InvalidFlow:
            return None
        return text if isinstance(text, str) else None

    def personality(self, name: str, referrer: Source, where: FieldPath) -> str:
        """Take in a personality and the toolboxes that it names. Return its name within the bundle."""
        source = self.document(name, "personality", referrer, where)
        name = self._name(name, source)
        if source and name not in self.personalities and (found := self._valid(source, Personality)):
            boxes = tuple(self.toolbox(box, source, ("toolboxes", i)) for i, box in enumerate(found.toolboxes))
            self.personalities[name] = found.model_copy(update={"toolboxes": boxes})
            self.sources[name] = source
        return name

    def toolbox(self, name: str, referrer: Source, where: FieldPath) -> str:
        """Take in a toolbox. Return its name within the bundle."""
        source = self.document(name, "toolbox", referrer, where)
        name = self._name(name, source)
        if source and name not in self.toolboxes and (found := self._valid(source, Toolbox)):
            self.toolboxes[name] = found
            self.sources[name] = source
            self.warn_unknown(source, source.data.get("server_params", {}), ServerParams, ("server_params",))
            self._check_server(found.server_params, source)
        return name

    def config(self, name: str, referrer: Source, where: FieldPath) -> ModelConfig:
        """Return a model config; the default one, with a problem noted, where it cannot be had."""
        source = self.document(name, "model_config", referrer, where)
        found = self._valid(source, ModelConfig) if source else None
        if source is None or found is None:
            return ModelConfig()
        for model in found.prices:
            self.warn_unknown(source, source.data["prices"][model], Price, ("prices", model))
        return found

    def take_in(self, kind: str, name: str, referrer: Source) -> None:
        """Take in a document of any kind but a taskflow."""
        match kind:
            case "personality":
                self.personality(name, referrer, ())
            case "toolbox":
                self.toolbox(name, referrer, ())
            case "model_config":
                self.config(name, referrer, ())
            case "prompt":
                if text := self._include(Include(1, name), referrer, ()):
                    self.prompts_of(*text)

    def prompts_of(self, template: str, referrer: Source, where: FieldPath) -> None:
        """Check a template's syntax, and take in the prompts that it includes, and those that they include."""
        left = [(template, referrer, where)]
        while left:
            text, source, path = left.pop()
            if problem := self.syntax_problem(text, source, path):
                self.note_template_problem(source, path, problem)
                continue
            included = [self._include(include, source, path) for include in template_outline.includes(text)]
            left += [prompt for prompt in reversed(included) if prompt]

    def syntax_problem(self, template: str, source: Source, where: FieldPath) -> TemplateProblem | None:
        """Return what keeps the template at that place from being compiled; None: nothing.

        Raises InvalidFlow where the flow's templates, together, are too long.
        """
        self._tokens += template_parser.tokens(template, MOST_TOKENS)
        if self._tokens > MOST_TOKENS:
            message = f"here the flow's templates, together, have more than {MOST_TOKENS:,} words and signs"
            raise InvalidFlow([*self.problems, source.problem(where, message)], self.warnings)
        return template_outline.syntax_problem(template)

    def note_template_problem(self, source: Source, where: FieldPath, problem: TemplateProblem) -> None:
        """Note a fault in the template at that place; one that may never be reached as a warning."""
        self.note(_in_text(source, where, problem.line, problem.message), problem.certain)

    def note(self, problem: Problem, certain: bool) -> None:
        """Note a problem, or where it is not certain to fail, a warning; each once."""
        if (problem, certain) not in self._noted:
            self._noted.add((problem, certain))
            (self.problems if certain else self.warnings).append(problem)

    def note_needed(self, variable: Read, source: Source, where: FieldPath) -> None:
        """Note that the template at that place needs an environment variable."""
        message = f"needs the environment variable {variable.key}"
        self.needs.append(NeededVariable(variable.key or "", _in_text(source, where, variable.line, message)))

    def warn_unknown(self, source: Source, data: Any, model: type[Document], where: FieldPath) -> None:
        """Warn of keys that the grammar does not have, with the closest one that it has."""
        self.warn_other(source, data, model.known_fields(), where, partial(other_names.advice, model))

    def warn_other(
        self,
        source: Source,
        data: Any,
        known: Collection[str],
        where: FieldPath,
        advice: Callable[[str], str | None] = lambda key: None,
    ) -> None:
        """Warn of keys other than `known`, with what `advice` says of them, else with the closest of `known`."""
        for key in data if isinstance(data, dict) else ():
            if key not in known and key != HEADER and len(self._noted) <= MOST_FINDINGS:
                close = difflib.get_close_matches(key[:MOST_OF_A_NAME], known, n=1)
                told = advice(key) or (f"did you mean `{close[0]}`?" if close else None)
                hint = f"; {told}" if told else ""
                ignored = "unknown field" if self.strict else "unknown field, ignored"
                self.note(source.problem((*where, key), ignored + hint), self.strict)

    def _check_server(self, params: ServerParams, source: Source) -> None:
        """The templates of a toolbox. Which globals there are is the flow's affair."""
        scope = template_check.Scope({}, frozenset({"globals", "env"}))
        for steps, text in params.templates():
            where = ("server_params", *steps)
            malformed = self.syntax_problem(text, source, where)
            for problem in [malformed] if malformed else template_check.undefined(text, scope):
                self.note_template_problem(source, where, problem)
            if steps[0] not in ("env", "optional_headers"):  # an entry whose variable is missing is left out
                for variable in template_outline.outline(text).variables:
                    self.note_needed(variable, source, where)

    def _include(self, include: Include, referrer: Source, where: FieldPath) -> tuple[str, Source, FieldPath] | None:
        """Take in a prompt. Its text and where it stands, if it was not known before."""
        if include.name is None:
            message = "an include must name its prompt as plain text: a computed name cannot be found ahead"
            self.note_template_problem(referrer, where, TemplateProblem(include.line, message))
            return None
        name = include.name
        if include.optional and self._find(name, referrer) is None:
            return None
        source = self.document(name, "prompt", referrer, where, include.line)
        if source is None:
            return None
        if name in self.sources and self.sources[name].path != source.path:
            message = f"include of {name!r} means another file in {self.sources[name].label}; use a dotted name"
            self.note_template_problem(referrer, where, TemplateProblem(include.line, message))
        elif name not in self.prompts and (found := self._valid(source, Prompt)):
            self.prompts[name], self.sources[name] = found.prompt, source
            return found.prompt, source, ("prompt",)
        return None

    def _name(self, name: str, source: Source | None) -> str:
        """A dotted name as it is; for a path, the one from the flow's directory, wherever the referrer lies."""
        if source is None or not is_path(name):
            return name
        return Path(os.path.relpath(source.path, self.search.anchor or Path.cwd())).as_posix()

    def _valid(self, source: Source, model: type[D]) -> D | None:
        """The document; None, with the problems noted once, where it is malformed."""
        key = (model, source.path)
        if key not in self._parsed:
            self.warn_unknown(source, source.data, model, ())
            self._parsed[key] = self._gather(lambda: source.validate(model, source.data), source.path)
        return cast(D | None, self._parsed[key])

    def _gather(self, step: Callable[[], T], path: Path) -> T | None:
        """What the step gives; None, with the problems of that file noted, and what refers to it."""
        try:
            return step()
        except InvalidFlow as invalid:
            self.problems += [replace(problem, referrer=self._referrers[path]) for problem in invalid.problems]
            return None


def _in_text(source: Source, where: FieldPath, line: int, message: str) -> Problem:
    """A problem in that line of the text which stands there."""
    return Problem(source.label, source.text_line(where, line), field_name(where), message)
