"""The documents that a flow refers to, each read once. Problems and warnings are gathered on the way."""

import difflib
from collections.abc import Callable
from typing import Any, TypeVar

from grammar import template_check
from grammar.errors import InvalidFlow, Problem
from grammar.models import Document, ModelConfig, Personality, Prompt, ServerParams, Toolbox
from grammar.references import Search
from grammar.source import HEADER, Source, read

D = TypeVar("D", bound=Document)
Where = tuple[str | int, ...]


class Library:
    """Resolves references. A document that is missing or malformed is noted, and the rest goes on."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.personalities: dict[str, Personality] = {}
        self.toolboxes: dict[str, Toolbox] = {}
        self.prompts: dict[str, str] = {}
        self.sources: dict[str, Source] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._failed: set[tuple[str, str]] = set()

    def raise_problems(self) -> None:
        """Raise InvalidFlow if anything was wrong."""
        if self.problems:
            raise InvalidFlow(self.problems, self.warnings)

    def personality(self, name: str, referrer: Source, where: Where) -> None:
        """Take in a personality and the toolboxes that it names."""
        if name in self.personalities:
            return
        if found := self._load(name, "personality", Personality, referrer, where):
            self.personalities[name] = found
            for i, toolbox in enumerate(found.toolboxes):
                self.toolbox(toolbox, self.sources[name], ("toolboxes", i))

    def toolbox(self, name: str, referrer: Source, where: Where) -> None:
        """Take in a toolbox."""
        if name in self.toolboxes:
            return
        if found := self._load(name, "toolbox", Toolbox, referrer, where):
            self.toolboxes[name] = found
            params = self.sources[name].data.get("server_params", {})
            self.warn_unknown(self.sources[name], params, ServerParams, ("server_params",))

    def config(self, name: str, referrer: Source, where: Where) -> ModelConfig:
        """A model config; an empty one where it cannot be had."""
        return self._load(name, "model_config", ModelConfig, referrer, where) or ModelConfig()

    def prompts_of(self, template: str, referrer: Source, where: Where) -> None:
        """Check a template's syntax, and take in the prompts that it includes, and those that they include."""
        if complaint := template_check.syntax(template):
            self.complain(referrer, where, complaint)
            return
        for include in template_check.includes(template):
            if include.name is None:
                message = "an include must name its prompt as plain text: a computed name cannot be found ahead"
                self.complain(referrer, where, template_check.Complaint(include.line, message))
            elif include.name not in self.prompts:
                self._include(include, referrer, where)

    def complain(self, source: Source, where: Where, complaint: template_check.Complaint) -> None:
        """Note a fault in the template at that place."""
        line = source.text_line(where) + complaint.line - 1
        field = source.problem(where, "").field
        self.problems.append(Problem(source.label, line, field, complaint.message))

    def warn_unknown(self, source: Source, data: Any, model: type[Document], where: Where) -> None:
        """Warn of keys that the grammar does not have, with the closest one that it has."""
        known = model.known_fields()
        for key in data if isinstance(data, dict) else ():
            if key not in known and key != HEADER:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean `{close[0]}`?" if close else ""
                self.warnings.append(source.problem((*where, key), f"unknown field, ignored{hint}"))

    def _include(self, include: template_check.Include, referrer: Source, where: Where) -> None:
        name = include.name or ""
        if include.optional and self.search.find(name, referrer.path) is None:
            return
        if found := self._load(name, "prompt", Prompt, referrer, where):
            self.prompts[name] = found.prompt
            self.prompts_of(found.prompt, self.sources[name], ("prompt",))

    def _load(self, name: str, kind: str, model: type[D], referrer: Source, where: Where) -> D | None:
        if (kind, name) in self._failed:
            return None
        path = self.search.find(name, referrer.path)
        if path is None:
            looked = "looked in TASKFLOW_PATH, --path, here, beside the flow, and in installed packages"
            self.problems.append(referrer.problem(where, f"no {kind} {name!r} found ({looked})"))
            return None
        found = self._gather(lambda: self._read(name, path, kind, model), kind, name)
        return found if isinstance(found, model) else None

    def _read(self, name: str, path: Any, kind: str, model: type[D]) -> D:
        source = read(path, kind=kind)
        self.sources[name] = source
        self.warn_unknown(source, source.data, model, ())
        return source.validate(model, source.data)

    def _gather(self, step: Callable[[], Document], kind: str, name: str) -> Document | None:
        try:
            return step()
        except InvalidFlow as invalid:
            self._failed.add((kind, name))
            self.problems += invalid.problems
            return None
