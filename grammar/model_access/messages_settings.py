"""Settings of a model that is asked through Anthropic's Messages API, as that API has them (specification section 6).

Pure. They are written as for other APIs where these have them, too; what the API has besides goes to it as it is.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from grammar.messages.activity_requests import ModelSpec

MAX_TOKENS = 16_384
"""What an answer may have at most, unless the file says otherwise: the API wants a limit with each request."""
CACHE = "prompt_caching"
"""The setting that says how long the endpoint caches what is the same in each request."""

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_LIFETIMES: Mapping[object, str | None] = {"5m": "5m", True: "5m", "1h": "1h", "off": None, False: None}
_NOT_THERE = (
    "frequency_penalty", "presence_penalty", "truncation", "verbosity", "store", "prompt_cache_retention",
    "response_include", "top_logprobs", "context_management", "prompt_cache_options",
)  # fmt: skip


def problem(settings: Mapping[str, JsonValue]) -> str | None:
    """Return which setting the Messages API cannot have, and what to write; None: it can have all of them."""
    if stray := [name for name in _NOT_THERE if settings.get(name) is not None]:
        return f"the Messages API has no {' and no '.join(stray)}: leave it out"
    lifetime = settings.get(CACHE, "5m")
    if isinstance(lifetime, list | dict) or lifetime not in _LIFETIMES:
        return f"{CACHE} {lifetime!r} is not supported; use 5m, 1h or off"
    reasoning = settings.get("reasoning") or {}
    if not isinstance(reasoning, dict) or set(reasoning) - {"effort", "summary"}:
        return "reasoning is a map of `effort` and `summary` in the Messages API; for the rest there is `thinking`"
    effort = reasoning.get("effort")
    if effort not in (None, "none", *_EFFORTS):
        return f"reasoning.effort {effort!r} is not supported by the Messages API; use none, {', '.join(_EFFORTS)}"
    return None


def parameters(settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the settings with what the API has in place of `reasoning`, and what it wants to be told in any case.

    `prompt_caching` is left as `5m`, `1h`, or None: nothing is cached. There must be no `problem` with the settings.
    """
    given = dict(settings)
    lifetime = _LIFETIMES[given.pop(CACHE, "5m")]
    thought = _thinking(given.pop("reasoning", None) or {})
    return {"max_tokens": MAX_TOKENS, CACHE: lifetime, **thought, **given}


def is_cached_for_an_hour(spec: ModelSpec) -> bool:
    """Return whether the endpoint is asked to keep what it caches for an hour, which it bills for."""
    return spec.api_type == "messages" and spec.settings.get(CACHE) == "1h"


def _thinking(reasoning: JsonValue) -> dict[str, JsonValue]:
    """Return how the model is to think: as much as it sees fit, within the effort."""
    told = reasoning if isinstance(reasoning, dict) else {}
    effort = told.get("effort")
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    shown: dict[str, JsonValue] = {"display": "summarized"} if told.get("summary") else {}
    return {"thinking": {"type": "adaptive", **shown}, "output_config": {"effort": effort}}
