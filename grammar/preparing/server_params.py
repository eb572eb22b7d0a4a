"""The `server_params` of a toolbox made ready: its templates rendered (specification section 1). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from grammar.documents.models import ServerParams
from grammar.dot_env_rules import from_dot_env
from grammar.errors import MissingVariable, TemplateFailed
from grammar.messages.activity_requests import TemplateContext
from grammar.templating.templates import Environ, Templates


@dataclass(frozen=True)
class ResolvedServer:
    """A toolbox's parameters with their templates rendered. They may hold secrets: for use only."""

    name: str
    """The name of the toolbox."""
    params: ServerParams = field(repr=False)
    """The parameters."""
    used: dict[str, str] = field(default_factory=dict, repr=False)
    """The variables that `env()` handed out for them, by name: secrets."""
    warnings: tuple[str, ...] = ()
    """What a person should hear of, a line each."""


def resolve(
    name: str, params: ServerParams, context: TemplateContext, environ: Environ
) -> ResolvedServer | TemplateFailed:
    """Return the `server_params` of the toolbox `name` with their templates rendered, or what keeps them from it."""
    try:
        return _ServerTemplates(name, context, environ).resolve(params)
    except TemplateFailed as error:
        return TemplateFailed(f"toolbox {name}: {error}")


_HINT = "set it elsewhere, or name the file: --env-file .env"


def _names(variables: Iterable[str]) -> str:
    return ", ".join(sorted(variables))


class _ServerTemplates:
    def __init__(self, name: str, context: TemplateContext, environ: Environ) -> None:
        self._name = name
        self._environ = environ
        self._templates = Templates({"globals": context.globals}, environ, {}, context.key)
        self._warnings: list[str] = []

    def resolve(self, params: ServerParams) -> ResolvedServer:
        update = {
            **self._reached(params),
            "args": tuple(self._text(arg) or "" for arg in params.args),
            "env": self._env(params.env),
        }
        return ResolvedServer(self._name, params.model_copy(update=update), self._environ.used, tuple(self._warnings))

    def _reached(self, params: ServerParams) -> dict[str, object]:
        """What is run, and what is sent where. A `.env` that nobody named says neither what, nor where keys go."""
        theirs = from_dot_env(self._environ.process)
        command = self._text(params.command)
        if found := theirs & self._environ.used.keys():
            raise TemplateFailed(f"`command` is not taken from a .env that nobody named ({_names(found)}); {_HINT}")
        reached: dict[str, object] = {
            "command": command,
            "url": self._text(params.url),
            "headers": {name: self._header(name, text) for name, text in params.headers.items()},
            "optional_headers": self._optional(params.optional_headers),
        }
        found = theirs & self._environ.used.keys()
        if found and (others := self._environ.used.keys() - theirs):
            told = f"{_names(others)} is not sent to where a .env that nobody named leads ({_names(found)})"
            raise TemplateFailed(f"{told}; {_HINT}")
        return reached

    def _text(self, template: str | None) -> str | None:
        return self._templates.render(template) if template and "{" in template else template

    def _env(self, env: Mapping[str, str]) -> dict[str, str]:
        """An entry whose variable is missing is left out with a warning."""
        found = {}
        for variable, template in env.items():
            try:
                found[variable] = self._text(template) or ""
            except MissingVariable as missing:
                self._warnings.append(f"{self._name}: env {variable} left out: {missing.name} is not set on the worker")
        return found

    def _optional(self, headers: Mapping[str, str]) -> dict[str, str]:
        """A header whose variable is missing is left out."""
        found = {}
        for name, template in headers.items():
            try:
                found[name] = self._checked(name, self._text(template) or "")
            except MissingVariable:
                continue
        return found

    def _header(self, name: str, template: str) -> str:
        try:
            return self._checked(name, self._text(template) or "")
        except MissingVariable as missing:
            raise TemplateFailed(f"header {name}: {missing}") from None

    def _checked(self, name: str, value: str) -> str:
        """An HTTP library that refuses a value quotes it in its error: what no header can hold ends here."""
        value = value.strip()
        if not (value.isascii() and value.isprintable()):
            raise TemplateFailed(f"header {name}: its value holds characters that a header cannot have")
        return value
