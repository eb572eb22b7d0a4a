"""Which endpoint answers, and which key it gets (specification section 6). Pure: the environment is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from grammar.dot_env_rules import from_dot_env
from grammar.errors import UserError
from grammar.messages.activity_requests import ModelSpec

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com"
COPILOT = "https://api.githubcopilot.com"
DEFAULT_MODEL = "gpt-4.1"

_ANY_HOST = ("AI_API_TOKEN", "COPILOT_TOKEN")
KEYS = (*_ANY_HOST, "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""The variables that hold keys of models. What else does is named by a model's `token`."""


class _Provider(NamedTuple):
    """Whose API it is that a model is asked by: the variables for its base URL and its key, and where it answers."""

    base_url: str
    key: str
    url: str


_OPENAI = _Provider("OPENAI_BASE_URL", "OPENAI_API_KEY", OPENAI)
_ANTHROPIC = _Provider("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", ANTHROPIC)

# A proxy cannot reach what is on this machine, whatever NO_PROXY says.
PAST_PROXIES: Mapping[str, None] = dict.fromkeys(
    ("all://localhost", "all://*.localhost", "all://127.0.0.0/8", "all://[::1]")
)
"""The `mounts` of an HTTP client that asks no proxy for addresses of this machine."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked, and with which key."""

    url: str | None
    """The base URL; None: the embedded model."""
    key: str | None = None
    """The key, which is a secret; None: none is set."""
    copilot: bool = False
    """Whether it is GitHub Copilot's, which wants headers of its own."""
    variable: str | None = None
    """The name of the variable that holds the key; None: no key belongs to the host."""
    withheld: str | None = None
    """The name of a variable whose key is not sent: the endpoint is that of a `.env` that nobody named, the key not."""
    is_environments: bool = True
    """Whether it is what the environment configures, so that what that says of OpenAI's API besides goes along."""


def choose(spec: ModelSpec, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint of a model, with the key that belongs to its host. Raises UserError where it is no URL."""
    provider = _provider(spec)
    configured, decided_by = _configured(provider, environ)
    url = spec.endpoint or configured
    is_configured = url is not None and _host(url) == _host(configured)
    # A `.env` that nobody named may lead anywhere. Its endpoint gets keys that it has itself, and none of the person's;
    # the person's endpoint gets the person's keys first: whoever owns a key may see what is asked with it.
    theirs = from_dot_env(environ)
    is_dot_envs = is_configured and decided_by in theirs
    is_flows = bool(spec.endpoint and spec.token)
    names = [spec.token] if spec.token else _key_names(provider, url, decided_by if is_configured else None, environ)
    sent = [name for name in names if not is_dot_envs or is_flows or name in theirs]
    sent = sent if is_dot_envs else sorted(sent, key=lambda name: name in theirs)
    variable = sent[0] if sent else None
    return Endpoint(
        url=url,
        key=environ.get(variable or ""),
        copilot=_host(url) == _host(COPILOT),
        variable=variable,
        withheld=names[0] if names and not sent else None,
        is_environments=is_configured and not is_dot_envs,
    )


def is_embedded(environ: Mapping[str, str]) -> bool:
    """Return whether neither an endpoint nor a key is configured, so that the embedded model answers."""
    return all(_configured(provider, environ)[0] is None for provider in (_OPENAI, _ANTHROPIC))


def model_name(spec: ModelSpec, environ: Mapping[str, str]) -> str:
    """Return the provider's id of the model: that of the spec, else COPILOT_DEFAULT_MODEL, else `gpt-4.1`."""
    return spec.name or environ.get("COPILOT_DEFAULT_MODEL") or DEFAULT_MODEL


def split_query(url: str) -> tuple[str, dict[str, str]]:
    """Return the base URL without its query, and the query: the parameters of each request, such as `api-version`."""
    parts = urlsplit(url)
    return parts._replace(query="", fragment="").geturl(), dict(parse_qsl(parts.query, keep_blank_values=True))


def key_header(chosen: Endpoint, api_type: str = "chat_completions") -> str:
    """Return the header that takes the key: Anthropic's, Azure's, whose URLs have an `api-version`, else the usual one.

    Where it is `Authorization`, `Bearer ` goes before the key.
    """
    if api_type == "messages" and not chosen.copilot:
        return "x-api-key"
    return "api-key" if "api-version" in split_query(chosen.url or "")[1] else "Authorization"


def copilot_headers(chosen: Endpoint, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that GitHub Copilot's API wants besides; none for others."""
    return {"Copilot-Integration-Id": environ.get("COPILOT_INTEGRATION_ID") or "vscode-chat"} if chosen.copilot else {}


def is_same_host(url: str, other: str) -> bool:
    """Return whether both are of one scheme, host and port. Raises UserError where one is no URL."""
    return _host(url) == _host(other)


def shown(url: str | None) -> str | None:
    """Return the URL without user and password; None as it is."""
    parts = urlsplit(url or "")
    return url and parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _provider(spec: ModelSpec) -> _Provider:
    return _ANTHROPIC if spec.api_type == "messages" else _OPENAI


def _configured(provider: _Provider, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The endpoint that the environment configures, and the variable that decides it; both None: it has none."""
    for name in ("AI_API_ENDPOINT", provider.base_url):
        if environ.get(name):
            return environ[name], name
    for name, url in ((provider.key, provider.url), *((name, COPILOT) for name in _ANY_HOST)):
        if environ.get(name):
            return url, name
    return None, None


def _key_names(provider: _Provider, url: str | None, decided_by: str | None, environ: Mapping[str, str]) -> list[str]:
    """The variables whose keys belong to the endpoint's host, the one to be sent first.

    `decided_by`: the variable that configures that host; None: none does. Anthropic's own host gets Anthropic's key,
    however it was named.
    """
    if provider is _OPENAI:
        names = [*_ANY_HOST, provider.key] if decided_by else []
    else:
        is_theirs = decided_by in (provider.base_url, provider.key)
        names = [*_ANY_HOST] if decided_by and not is_theirs else []
        names += [provider.key] if is_theirs or _host(url) == _host(ANTHROPIC) else []
    return [name for name in names if environ.get(name)]


def _host(url: str | None) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url or "")
        return parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"the model's endpoint is no URL: {error}; see AI_API_ENDPOINT and `endpoint`") from error
