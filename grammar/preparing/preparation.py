"""A task made ready: its condition, its items, its prompts (specification sections 3 to 5). Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jinja2
from pydantic import JsonValue

from grammar.documents.models import Task
from grammar.documents.values import items_of, read_to_repeat
from grammar.errors import NoValue, TaskError, TemplateFailed
from grammar.messages.contracts import PAGE_BRANCHES, PAGE_CHARACTERS, Branch, Page, PrepareRequest, TemplateContext
from grammar.templating.redaction import hide, reveal
from grammar.templating.templates import Environ, Templates


@dataclass(frozen=True)
class Failed:
    """An error on its way from the rendering process: its class and its text."""

    kind: type[TaskError]
    message: str


def page(request: PrepareRequest, process: Mapping[str, str]) -> Page | Failed:
    """The branches from `request.offset` on. The first page renders all, so that a fault shows before any work."""
    try:
        made = pages(request, process)
        first = next(made)
        if not request.offset:
            for one in made:  # for the faults in them, and for what they took from `env()`
                first = first.model_copy(update={"secrets": one.secrets})
        return first
    except TaskError as error:
        return failed(error)


def pages(request: PrepareRequest, process: Mapping[str, str]) -> Iterator[Page]:
    """All branches from `request.offset` on, a page at a time; at least one page. Raises TaskError."""
    return _Preparation(request, process).pages()


def failed(error: TaskError) -> Failed:
    """The error, ready to be sent."""
    known = next(kind for kind in type(error).__mro__ if kind.__module__ == "grammar.errors")
    return Failed(known, str(error))


def environment(surroundings: TemplateContext, process: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The task's `env` with its templates rendered, and what `env()` handed out for it. Raises TemplateFailed."""
    environ = Environ(process)
    templates = Templates({"globals": surroundings.globals}, environ, {}, surroundings.key)
    rendered = {}
    for name, template in surroundings.env.items():
        with _naming(f"env.{name}"):
            rendered[name] = templates.render(template)
    return rendered, environ.used


class _Preparation:
    def __init__(self, request: PrepareRequest, process: Mapping[str, str]) -> None:
        surroundings = request.surroundings
        task_env, used = environment(surroundings, process)
        self.environ = Environ(process, task_env)
        # What comes back out of earlier results must not be written down in plain either.
        self.environ.used.update({name: process[name] for name in request.secrets if process.get(name)} | used)
        self.key = surroundings.key
        self.task: Task = request.task
        self.request = request
        self.process = process
        names = {
            "globals": surroundings.globals,
            "inputs": self.task.inputs,
            "outputs": self._revealed(request.outputs),
        }
        self.templates = Templates(names, self.environ, request.prompts, self.key)

    def pages(self) -> Iterator[Page]:
        if reason := self._skip_reason():
            yield self._finish(Page(skipped=reason))
            return
        items = self._items()
        if items is None:
            yield self._finish(Page(branches=[Branch(index=0, prompt=self._prompt(None))]))
            return
        numbers = range(min(self.request.offset, len(items)), len(items))
        for branches in _paged(self._branch(index, items[index]) for index in numbers):
            yield self._finish(Page(total=len(items), branches=branches))

    def _skip_reason(self) -> str | None:
        if self.task.if_ is None or self.request.offset:
            return None
        try:
            return None if self.templates.evaluate(self.task.if_) else "its condition is not met"
        except jinja2.UndefinedError:
            return "its condition names something that does not exist"
        except TemplateFailed as error:
            raise TemplateFailed(f"if: {error}") from None

    def _items(self) -> list[JsonValue] | None:
        if self.task.over is not None:
            return items_of(self._over(self.task.over))
        if self.task.repeat_prompt:
            result = self.request.result
            return items_of(read_to_repeat(result and result.model_copy(update=self._revealed(result.model_dump()))))
        return None

    def _over(self, expression: str) -> JsonValue:
        try:
            return self.templates.evaluate(expression)
        except jinja2.UndefinedError as error:
            raise TemplateFailed(f"over: undefined name: {error}") from None
        except TemplateFailed as error:
            raise TemplateFailed(f"over: {error}") from None

    def _branch(self, index: int, item: JsonValue) -> Branch:
        return Branch(index=index, item=hide(item, self.environ.used, self.key), prompt=self._prompt(item))

    def _prompt(self, item: JsonValue) -> str:
        if self.task.user_prompt is None:
            return ""
        names = {"result": item} if self.task.repeats else {}
        with _naming("user_prompt"):
            return self.templates.record(self.task.user_prompt, **names)

    def _revealed(self, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            return reveal(value, self.process, self.key)
        except KeyError as error:
            raise NoValue(
                f"environment variable {error} is not set on this worker, as it was earlier in the run"
            ) from None

    def _finish(self, page: Page) -> Page:
        return page.model_copy(update={"secrets": sorted(self.environ.used)})


class _naming:  # noqa: N801
    """Names the field whose template failed."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TemplateFailed):
            raise TemplateFailed(f"{self.field}: {error}") from None


def _paged(branches: Iterator[Branch]) -> Iterator[list[Branch]]:
    """As many branches at a time as one page takes, at least one; no branches make one empty page."""
    page: list[Branch] = []
    size, empty = 0, True
    for branch in branches:
        more = len(branch.prompt) + len(json.dumps(branch.item))
        if page and (len(page) >= PAGE_BRANCHES or size + more > PAGE_CHARACTERS):
            yield page
            page, size = [], 0
        page.append(branch)
        size, empty = size + more, False
    if page or empty:
        yield page
