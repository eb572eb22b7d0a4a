"""Which endpoint answers, and which key it gets (specification section 6). Pure: the environment is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from grammar.errors import UserError
from grammar.messages.activity_requests import ModelSpec

OPENAI = "https://api.openai.com/v1"
COPILOT = "https://api.githubcopilot.com"
KEYS = ("AI_API_TOKEN", "COPILOT_TOKEN", "OPENAI_API_KEY")
DEFAULT_MODEL = "gpt-4.1"

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


def choose(spec: ModelSpec, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint of a model, with the key that belongs to its host. Raises UserError where it is no URL."""
    configured = _configured(environ)
    url = spec.endpoint or configured
    variable = _variable(spec, url, configured, environ)
    return Endpoint(url, environ.get(variable or ""), _host(url) == _host(COPILOT), variable)


def is_embedded(environ: Mapping[str, str]) -> bool:
    """Return whether neither an endpoint nor a key is configured, so that the embedded model answers."""
    return _configured(environ) is None


def model_name(spec: ModelSpec, environ: Mapping[str, str]) -> str:
    """Return the provider's id of the model: that of the spec, else COPILOT_DEFAULT_MODEL, else `gpt-4.1`."""
    return spec.name or environ.get("COPILOT_DEFAULT_MODEL") or DEFAULT_MODEL


def split_query(url: str) -> tuple[str, dict[str, str]]:
    """Return the base URL without its query, and the query: the parameters of each request, such as `api-version`."""
    parts = urlsplit(url)
    return parts._replace(query="", fragment="").geturl(), dict(parse_qsl(parts.query, keep_blank_values=True))


def shown(url: str | None) -> str | None:
    """Return the URL without user and password; None as it is."""
    parts = urlsplit(url or "")
    return url and parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _configured(environ: Mapping[str, str]) -> str | None:
    for name in ("AI_API_ENDPOINT", "OPENAI_BASE_URL"):
        if environ.get(name):
            return environ[name]
    if environ.get("OPENAI_API_KEY"):
        return OPENAI
    if environ.get("AI_API_TOKEN") or environ.get("COPILOT_TOKEN"):
        return COPILOT
    return None


def _variable(spec: ModelSpec, url: str | None, configured: str | None, environ: Mapping[str, str]) -> str | None:
    if spec.token:
        return spec.token
    if url is None or _host(url) != _host(configured):
        return None
    return next((name for name in KEYS if environ.get(name)), None)


def _host(url: str | None) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url or "")
        return parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"the model's endpoint is no URL: {error}; see AI_API_ENDPOINT and `endpoint`") from error
