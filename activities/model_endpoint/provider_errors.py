"""What providers say when they refuse, and which TaskError it is: their codes and words in one table.

A code counts in `code`, `type` and `status` of an error; words count in its message, whatever its code. Where several
rows fit, the first one does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activities.model_endpoint.foreign_json import excerpt
from grammar.errors import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    ModelAccess,
    ModelUnavailable,
    QuotaExhausted,
    RateLimited,
    TaskError,
)


@dataclass(frozen=True)
class Row:
    """What is said, and what it means. `source`: where the provider, or its code, says so."""

    meaning: type[TaskError]
    codes: tuple[str, ...]
    words: tuple[str, ...]
    source: str


TABLE = (
    Row(
        QuotaExhausted,
        ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"),
        ("exceeded your current quota, please check your plan and billing details",),
        "OpenAI: platform.openai.com/docs/guides/error-codes (429 with this code is no rate limit)",
    ),
    Row(
        QuotaExhausted,
        ("billing_error", "credit_balance_too_low"),
        ("credit balance is too low",),
        "Anthropic: docs.anthropic.com/en/api/errors (402 billing_error; 400 with these words)",
    ),
    Row(
        QuotaExhausted, ("402",), ("insufficient credits",), "OpenRouter: openrouter.ai/docs/api/reference/errors (402)"
    ),
    Row(
        ContextTooLong,
        ("context_length_exceeded", "string_above_max_length"),
        ("maximum context length", "context window", "reduce the length of the messages"),
        "OpenAI: platform.openai.com/docs/guides/error-codes; vLLM, Groq and OpenRouter say the same",
    ),
    Row(
        ContextTooLong,
        ("request_too_large",),
        ("prompt is too long", "input length and `max_tokens` exceed context limit"),
        "Anthropic: docs.anthropic.com/en/api/errors; 400 `prompt is too long: N tokens > M maximum`",
    ),
    Row(
        ContextTooLong,
        ("exceed_context_size_error",),
        ("exceeds the available context size", "exceeds the available context"),
        "llama.cpp: tools/server, ERROR_TYPE_EXCEED_CONTEXT_SIZE",
    ),
    Row(
        ContextTooLong,
        (),
        ("exceeds the maximum number of tokens allowed",),
        "Gemini: ai.google.dev/gemini-api/docs/troubleshooting, INVALID_ARGUMENT with these words",
    ),
    Row(
        ContextTooLong,
        ("tokens_limit_reached",),
        ("request body too large for", "too large for model with"),
        "GitHub Models (413 tokens_limit_reached); Mistral (`Prompt contains N tokens ... too large for model with`)",
    ),
    Row(
        ContextTooLong,
        (),
        ("input is too long for requested model", "exceeds the context length", "too many tokens in the prompt"),
        "Amazon Bedrock (ValidationException); Ollama (server: `input length exceeds the context length`)",
    ),
    Row(
        ContentFiltered,
        ("content_filter", "content_policy_violation", "responsibleaipolicyviolation"),
        ("content management policy", "content_policy_violation"),
        "Azure OpenAI: learn.microsoft.com/azure/ai-services/openai/concepts/content-filter (400 content_filter)",
    ),
    Row(
        ContentFiltered,
        ("prohibited_content", "safety", "blocklist"),
        (),
        "Gemini: ai.google.dev/api/generate-content#FinishReason",
    ),
    Row(
        RateLimited,
        ("rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "too_many_requests", "429"),
        ("rate limit exceeded", "rate limit reached"),
        "OpenAI, Anthropic (rate_limit_error), Gemini (RESOURCE_EXHAUSTED); in a stream, the status is 200",
    ),
    Row(
        ModelUnavailable,
        ("overloaded_error", "server_error", "api_error", "unavailable", "529"),
        ("overloaded",),
        "Anthropic: docs.anthropic.com/en/api/errors (529 overloaded_error); OpenAI: server_error",
    ),
)


@dataclass(frozen=True)
class ProviderError:
    """An error as its provider tells it. `status`: HTTP's, or what stands for it in the error; None: there is none."""

    message: str
    codes: tuple[str, ...] = ()
    status: int | None = None

    @classmethod
    def of(cls, body: object, status: int | None = None) -> "ProviderError":
        """Understand an error's body, in whatever form: `{"error": {...}}`, `{"detail": ...}`, a text."""
        found = body.get("error", body) if isinstance(body, Mapping) else body
        if not isinstance(found, Mapping):
            return cls(excerpt(str(found)), (), status)
        codes = [str(found[name]).lower() for name in ("code", "type", "status") if found.get(name) is not None]
        inner = found.get("innererror")
        if isinstance(inner, Mapping) and inner.get("code"):
            codes.append(str(inner["code"]).lower())
        return cls(excerpt(_words(found)), tuple(codes), status or _status(codes))

    def meaning(self) -> type[TaskError]:
        """Return the class that it stands for: by the table, else by the status."""
        return next((row.meaning for row in TABLE if self._fits(row)), None) or _by_status(self.status)

    def _fits(self, row: Row) -> bool:
        said = self.message.lower()
        return any(code in row.codes for code in self.codes) or any(words in said for words in row.words)

    def raised(self, retry_after: float | None = None) -> TaskError:
        """Return it as the error to raise. `retry_after`: seconds that a rate limit asks for."""
        meaning = self.meaning()
        text = f"{self.status} {self.message}" if self.status else self.message
        return RateLimited(text, retry_after) if issubclass(meaning, RateLimited) else meaning(text)


def _words(found: Mapping[str, Any]) -> str:
    for name in ("message", "detail", "msg", "error"):
        if found.get(name):
            return str(found[name])
    return str(dict(found))


def _status(codes: list[str]) -> int | None:
    return next((int(code) for code in codes if code.isdecimal() and 400 <= int(code[:4]) <= 599), None)


def _by_status(status: int | None) -> type[TaskError]:
    if status is None or status >= 500 or status in (408, 409, 425):
        return ModelUnavailable
    if status == 429:
        return RateLimited
    if status == 402:
        return QuotaExhausted
    if status == 413:
        return ContextTooLong
    return ModelAccess if status in (401, 403, 404) else BadRequest
