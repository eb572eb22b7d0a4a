"""A task made ready: its condition, its items, its prompts (specification sections 3 to 5). Pure."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import jinja2
from pydantic import JsonValue

from grammar.documents.models import Task
from grammar.documents.values import items_of, read_to_repeat
from grammar.errors import NoValue, TaskError, TemplateFailed
from grammar.messages.activity_requests import PrepareRequest, TemplateContext
from grammar.messages.activity_results import PAGE_BRANCHES, PAGE_CHARACTERS, Branch, Page
from grammar.templating.redaction import hide, mask, reveal
from grammar.templating.templates import Environ, Templates


@dataclass(frozen=True)
class RenderFailure:
    """A TaskError on its way from the rendering process."""

    kind: type[TaskError]
    """Its class, one of grammar/errors.py."""
    message: str
    """Its text."""


def page(request: PrepareRequest, process: Mapping[str, str]) -> Page | RenderFailure:
    """Return the page of branches from `request.offset` on, or why there is none. `process`: the worker's variables.

    The first page renders all, so that a fault shows before any work.
    """
    try:
        rendered = pages(request, process)
        first = next(rendered)
        if not request.offset:
            for later in rendered:  # for the faults in them, and for what they took from `env()`
                first = first.model_copy(update={"secrets": later.secrets})
        return first
    except TaskError as error:
        return render_failure(error)


def pages(request: PrepareRequest, process: Mapping[str, str]) -> Iterator[Page]:
    """Yield all branches from `request.offset` on, a page at a time; at least one page. Raises TaskError."""
    return _Preparation(request, process).pages()


def render_failure(error: TaskError) -> RenderFailure:
    """Return the error as it can be sent from the rendering process."""
    known = next(kind for kind in type(error).__mro__ if kind.__module__ == "grammar.errors")
    return RenderFailure(known, str(error))


def environment(context: TemplateContext, process: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the task's `env`, rendered, and the variables that `env()` handed out for it. Raises TemplateFailed."""
    environ = Environ(process)
    templates = Templates({"globals": context.globals}, environ, {}, context.key)
    rendered = {}
    for name, template in context.env.items():
        with _naming_field(f"env.{name}"):
            rendered[name] = templates.render(template)
    return rendered, environ.used


class _Preparation:
    def __init__(self, request: PrepareRequest, process: Mapping[str, str]) -> None:
        context = request.surroundings
        task_env, used = environment(context, process)
        self.environ = Environ(process, task_env)
        # What comes back out of earlier results must not be written down in plain either.
        self.environ.used.update({name: process[name] for name in request.secrets if process.get(name)} | used)
        self.asked = {*request.secrets, *used}
        self.key = context.key
        self.task: Task = request.task
        self.request = request
        self.process = process
        names = {
            "globals": context.globals,
            "inputs": self.task.inputs,
            "outputs": self._revealed(request.outputs),
        }
        self.templates = Templates(names, self.environ, request.prompts, self.key)

    def pages(self) -> Iterator[Page]:
        try:
            yield from self._pages()
        except TaskError as error:  # it may quote what a template gave
            error.args = (self._mask(str(error)),)
            raise

    def _pages(self) -> Iterator[Page]:
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
            return items_of(self._over(self.task.over), self._mask)
        if self.task.repeat_prompt:
            result = self.request.result
            revealed = result and result.model_copy(update=self._revealed(result.model_dump()))
            return items_of(read_to_repeat(revealed, self._mask), self._mask)
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
        with _naming_field("user_prompt"):
            return self.templates.record(self.task.user_prompt, **names)

    def _revealed(self, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            return reveal(value, self.asked, self.process, self.key)
        except KeyError as error:
            raise NoValue(
                f"environment variable {error} is not set on this worker, as it was earlier in the run"
            ) from None

    def _mask(self, text: str) -> str:
        return mask(text, self.environ.used)

    def _finish(self, page: Page) -> Page:
        return page.model_copy(update={"secrets": sorted(self.environ.used)})


@contextmanager
def _naming_field(field: str) -> Iterator[None]:
    """Name the field whose template failed."""
    try:
        yield
    except TemplateFailed as error:
        raise TemplateFailed(f"{field}: {error}") from None


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
