"""Templates (specification section 4): Jinja in a sandbox, with data before methods and `env()`."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_jsonable_python

from grammar.documents.values import encodable
from grammar.errors import MissingVariable, TemplateFailed
from grammar.templating import env_allow
from grammar.templating.expressions import inside
from grammar.templating.redaction import hide, mask, reference
from grammar.templating.sandbox import Sandbox, listed

MAX_CHARACTERS = 8 * 1024 * 1024
MOST_OF_ERROR = 300
NAMES = ("globals", "inputs", "outputs", "result")

_MISSING = object()


class _EnvText(str):
    """What `env()` returned, as long as no filter or operator has made another text of it."""

    name: str


# The keys that encrypt, and what opens the codec server.
_OURS = ("TASKFLOW_ENCRYPTION_KEYS", "TASKFLOW_CODEC_TOKEN")


class Environ:
    """The function `env()`: reads variables of the task, then of the process, and remembers what it handed out.

    `used`: the variables of the process that it handed out, by name; empty values are left out.
    """

    def __init__(self, process: Mapping[str, str], task: Mapping[str, str] | None = None) -> None:
        self.process = process
        self.task = task or {}
        self.used: dict[str, str] = {}

    def __call__(self, name: str, default: Any = _MISSING, required: bool = True) -> Any:
        """Return the variable, else `default`, else an empty text if not `required`.

        Raises MissingVariable, and TemplateFailed for one that flows may not read here.
        """
        if name in self.task:
            return self.task[name]
        if name in self.process and not is_withheld(name):
            return self._hand_out(name)
        if default is not _MISSING:
            return default
        if required:
            raise MissingVariable(name)
        return ""

    def _hand_out(self, name: str) -> str:
        env_allow.check(name, self.process)
        value = self.process[name]
        if value:
            self.used[name] = value
        text = _EnvText(value)
        text.name = name
        return text


def is_withheld(name: str) -> bool:
    """Return whether the variable is for our own processes alone: neither templates nor scripts get it."""
    return name.startswith(_OURS)


class Templates:
    """Render the templates of one task.

    `names`: what they read beside `env()`. `prompts`: what they include, by name. `key`: marks references to variables.
    """

    def __init__(self, names: Mapping[str, Any], environ: Environ, prompts: Mapping[str, str], key: str) -> None:
        # The method alone: a template may read attributes, and those of `environ` are the whole environment.
        self._names = {**names, "env": environ.__call__}
        self._environ = environ
        self._key = key
        # Nobody can know what stands for a reference until all else in the text has been looked at.
        self._nonce = os.urandom(8).hex()
        self._marked: list[str] = []
        self._plain = Sandbox(prompts)
        self._recorded = Sandbox(prompts, finalize=self._as_reference)

    def render(self, template: str, **names: Any) -> str:
        """Return the text, for use on this worker only: it may hold what `env()` returned. Raises TemplateFailed."""
        return self._render(self._plain, template, names)

    def record(self, template: str, **names: Any) -> str:
        """Return the text with references for what `env()` returned, fit to be recorded. Raises TemplateFailed."""
        hidden = hide(self._render(self._recorded, template, names), self._environ.used, self._key)
        marks = re.compile(rf"⟦{self._nonce}:(\d+)⟧")
        return marks.sub(lambda mark: reference(self._marked[int(mark[1])], self._key), hidden)

    def evaluate(self, expression: str) -> JsonValue:
        """Return the value of an expression. Raises TemplateFailed, and jinja2.UndefinedError for a missing name."""
        try:
            value = self._plain.compile_expression(inside(expression), undefined_to_none=False)(**self._names)
            if isinstance(value, jinja2.Undefined):
                value._fail_with_undefined_error()
            return as_json(value)
        except jinja2.UndefinedError:
            raise
        except TemplateFailed:
            raise
        except Exception as error:  # the expression is foreign code: whatever it raises is its own fault
            raise TemplateFailed(self._explained(error)) from None

    def _render(self, sandbox: Sandbox, template: str, names: Mapping[str, Any]) -> str:
        try:
            parts = sandbox.compiled(template).generate(**self._names, **names)
            return encodable(_joined(parts))
        except TemplateFailed:
            raise
        except Exception as error:  # the template is foreign code: whatever it raises is its own fault
            raise TemplateFailed(self._explained(error)) from None

    def _explained(self, error: Exception) -> str:
        return mask(explain(error), self._environ.used)[:MOST_OF_ERROR]

    def _as_reference(self, value: Any) -> Any:
        if not isinstance(value, _EnvText) or not value:
            return value
        self._marked.append(value.name)
        return f"⟦{self._nonce}:{len(self._marked) - 1}⟧"


def as_json(value: Any) -> JsonValue:
    """Return a template's value as JSON data; what is lazy becomes a list. Raises TemplateFailed."""
    try:
        data: JsonValue = to_jsonable_python(value, fallback=_as_list)
        return encodable(data)
    except (PydanticSerializationError, ValueError, RecursionError):
        raise TemplateFailed(f"gives a {type(value).__name__}, which is not JSON data") from None


def _as_list(value: Any) -> Any:
    """Raises ValueError for what is no list, and cannot be made one."""
    if (found := listed(value)) is value:
        raise ValueError
    return found


def explain(error: Exception) -> str:
    """Return what went wrong in a template, in one line for people."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"template line {error.lineno}: {error.message}"
    if isinstance(error, jinja2.TemplateNotFound):
        return f"include of {error.name}: no such prompt"
    if isinstance(error, MemoryError):
        return "takes too much memory"
    if isinstance(error, SecurityError):
        return f"not allowed in a template: {error}"
    if isinstance(error, jinja2.UndefinedError):
        return f"undefined name: {error}"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _joined(parts: Iterable[str]) -> str:
    rendered: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_CHARACTERS:
            raise TemplateFailed(f"renders more than {MAX_CHARACTERS:,} characters")
        rendered.append(part)
    return "".join(rendered)
