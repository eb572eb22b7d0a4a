"""What of a process matters to a run: its folder, the model that answers there by default, its version.

A run records its starter's (memo), a worker tells its own in its Temporal identity; where they differ, people are told.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import BaseModel

from grammar.errors import UserError
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.run_bundle import Bundle
from grammar.model_access import endpoint, model_choice

_SEPARATOR = "; "
_EMBEDDED = "embedded model"
_MESSAGES = " (messages: "
_FOLDER = 300


class ProcessSetup(BaseModel):
    """What a process of ours runs with. No key is in it, and of URLs neither user, password nor query."""

    folder: str = ""
    """Its working directory; empty: it has none any more."""
    endpoint: str | None = None
    """The base URL that its environment configures; None: none is, and the embedded model answers."""
    messages_endpoint: str | None = None
    """The same for models of the Messages API; None as well where an older version says nothing of it."""
    model: str = ""
    """The provider's id of the model of tasks that name none."""
    version: str = ""
    """The version of temporal-taskflow."""
    host: str = ""
    """The name of its machine."""
    user: str = ""
    """The name of its user there; empty: not recorded, as by older versions."""

    @classmethod
    def of(cls, environ: Mapping[str, str], folder: str, version: str, host: str, user: str = "") -> Self:
        """Return the setup of a process with this environment."""
        model = endpoint.model_name(ModelSpec(), environ)
        url, messages_url = (_endpoint(environ, api_type) for api_type in ("chat_completions", "messages"))
        urls = {"endpoint": url, "messages_endpoint": messages_url}
        return cls(folder=folder, **urls, model=model, version=version, host=host, user=user)

    @property
    def answers(self) -> str:
        """Return which model answers by default: `model gpt-4.1 at api.example.com`, or the embedded one."""
        if self.endpoint:
            return f"model {self.model} at {_short(self.endpoint)}"
        return f"models at {_short(self.messages_endpoint)}" if self.messages_endpoint else "the embedded toy model"

    def asked(self, spec: ModelSpec) -> str | None:
        """Return the base URL that it asks for a model without one of its own; None: the embedded model answers."""
        return self.messages_endpoint if spec.api_type == "messages" else self.endpoint


class WorkerIdentity(NamedTuple):
    """What a worker tells of itself in its Temporal identity."""

    pid: int
    """Its process id, on the machine `setup.host`."""
    setup: ProcessSetup
    """What it runs with."""

    def __str__(self) -> str:
        """Return the identity, as Temporal shows it; the pid and the host first, as in the SDK's own."""
        told = self.setup
        url, messages_url = told.endpoint or _EMBEDDED, told.messages_endpoint or _EMBEDDED
        urls = url if url == messages_url else f"{url}{_MESSAGES}{messages_url})"
        parts = (f"{self.pid}@{told.host}", told.folder[:_FOLDER], told.model, urls, told.version)
        return _SEPARATOR.join(parts)

    @property
    def fields(self) -> dict[str, object]:
        """Return it as JSON has it: `pid`, and what it runs with."""
        return {"pid": self.pid, **self.setup.model_dump(mode="json")}

    @classmethod
    def parse(cls, identity: str) -> Self | None:
        """Read an identity; None where it is not one of ours, such as that of an older worker."""
        first, _, rest = identity.partition(_SEPARATOR)
        pid, _, host = first.partition("@")
        parts = rest.rsplit(_SEPARATOR, 3)  # a folder may have any sign in its name
        if not pid.isdecimal() or len(parts) != 4:
            return None
        folder, model, urls, version = parts
        url, differs, rest = urls.partition(_MESSAGES)
        told = {"endpoint": url, "messages_endpoint": rest.removesuffix(")") if differs else url}
        known = {name: None if place == _EMBEDDED else place for name, place in told.items()}
        return cls(int(pid), ProcessSetup(folder=folder, **known, model=model, version=version, host=host))

    def described(self, home: str, host: str, with_model: bool = True) -> str:
        """Return the worker as people read it: `worker 4711 in ~/x, model gpt-4.1 at api.example.com`.

        `home`, `host`: the reader's home directory and machine. `with_model`: whether to tell which model answers.
        """
        there = "" if self.setup.host == host else f" on {self.setup.host}"
        where = f" in {short_folder(self.setup.folder, home)}" if self.setup.folder else ""
        return f"worker {self.pid}{there}{where}" + (f", {self.setup.answers}" if with_model else "")


class Difference(NamedTuple):
    """Something in which who serves a run is not as who started it."""

    what: Literal["endpoint", "model", "version"]
    """What differs."""
    text: str
    """Both, as people read it."""

    @property
    def changes_answers(self) -> bool:
        """Return whether another model would answer than the one that was meant."""
        return self.what != "version"


def differences(bundle: Bundle, started: ProcessSetup, serving: ProcessSetup) -> list[Difference]:
    """Return in what the two differ, as far as it matters to the bundle; most of all first.

    A starter that configures no endpoint means none: there, whatever the worker has is right. A task that names its
    endpoint or its model gets it from any worker. Folders do not matter: scripts run in the one the run was started in.
    """
    specs = [spec for spec in _specs(bundle) if started.asked(spec)]
    found = []
    if elsewhere := [spec for spec in specs if not spec.endpoint and _is_another(started, serving, spec)]:
        meant, asked = started.asked(elsewhere[0]), serving.asked(elsewhere[0])
        found.append(
            Difference("endpoint", f"{meant} was meant to answer, and it is {asked or 'the embedded toy model'}")
        )
    elif any(spec.name is None for spec in specs) and started.model != serving.model:
        found.append(Difference("model", f"{started.model} was meant to answer, and it is {serving.model}"))
    if started.version and started.version != serving.version:
        told = f"the run was started by version {started.version}, and the worker is of version {serving.version}"
        found.append(Difference("version", told))
    return found


def asks_models(bundle: Bundle) -> bool:
    """Return whether a run of the bundle asks any model: not where it has only scripts, or is a dry run."""
    return bool(_specs(bundle))


def embedded_apis(bundle: Bundle, environ: Mapping[str, str]) -> set[str]:
    """Return the APIs of the models for which the embedded one answers, in a process with this environment.

    Empty: it answers for none. Raises UserError where an endpoint is no URL.
    """
    return {spec.api_type for spec in _specs(bundle) if endpoint.choose(spec, environ).url is None}


def runs_processes(bundle: Bundle) -> bool:
    """Return whether a run of the bundle starts processes, which work in a folder: scripts, servers of toolboxes."""
    has_scripts = any(task.run is not None for task in bundle.tasks)
    return has_scripts or any(toolbox.server_params.command for toolbox in bundle.toolboxes.values())


def short_folder(folder: str, home: str) -> str:
    """Return the folder with `~` for the home directory."""
    inside = home not in ("", "/") and (folder == home or folder.startswith(f"{home}/"))
    return f"~{folder[len(home) :]}" if inside else folder


def _specs(bundle: Bundle) -> list[ModelSpec]:
    return [spec for _, spec in model_choice.asked_models(bundle)]


def _is_another(started: ProcessSetup, serving: ProcessSetup, spec: ModelSpec) -> bool:
    return _same(started.asked(spec)) != _same(serving.asked(spec))


def _endpoint(environ: Mapping[str, str], api_type: str) -> str | None:
    """Return the base URL that is configured for an API, without what may be a secret in it."""
    try:
        url = endpoint.choose(ModelSpec(api_type=api_type), environ).url
        parts = urlsplit(url or "")
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except (ValueError, UserError):
        return "a wrong URL"
    return url and shown.replace(_SEPARATOR, ";")


def _short(url: str | None) -> str:
    return urlsplit(url or "").netloc or str(url)


def _same(url: str | None) -> str | None:
    return url and url.rstrip("/")
