"""What providers say when they refuse, and which TaskError it is: their codes and words, with where they say so.

A code counts in `code`, `type` and `status` of an error; words count in its message, whatever its code. Where several
rows fit, the first one does. What no row knows is decided by its status.
"""

from dataclasses import dataclass

from grammar.errors import (
    ContentFiltered,
    ContextTooLong,
    ModelAccess,
    ModelUnavailable,
    QuotaExhausted,
    RateLimited,
    RegionRefused,
    TaskError,
)


@dataclass(frozen=True)
class Row:
    """What is said, and what it means. `source`: where the provider, or its code, says so."""

    meaning: type[TaskError]
    codes: tuple[str, ...]
    words: tuple[str, ...]
    source: str


# What Google's `quotaId` says of a limit; made a code in `provider_errors.py`.
QUOTA_PER_DAY = "quota per day"
QUOTA_PER_MINUTE = "quota per minute"

# No waiting helps: a person has to pay, or to allow more.
_QUOTA = (
    Row(
        QuotaExhausted,
        (QUOTA_PER_DAY,),
        ("limit: 0, model",),
        "Gemini: ai.google.dev/gemini-api/docs/rate-limits (429 RESOURCE_EXHAUSTED, with the quotaId in its details)",
    ),
    Row(
        RateLimited,
        (QUOTA_PER_MINUTE,),
        ("please retry in ",),
        "Gemini, the same page: limits per minute have the words of a quota that is used up, and say when to retry",
    ),
    Row(
        QuotaExhausted,
        ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"),
        ("exceeded your current quota", "billing hard limit has been reached", "check your billing details"),
        "OpenAI: platform.openai.com/docs/guides/error-codes (429 with this code is no rate limit)",
    ),
    Row(
        QuotaExhausted,
        ("billing_error", "credit_balance_too_low"),
        ("credit balance is too low", "reached your specified api usage limits", "extra usage is required"),
        "Anthropic: docs.anthropic.com/en/api/errors (402 billing_error; 400 with these words, 429 for long contexts)",
    ),
    Row(
        QuotaExhausted,
        ("402", "payment_required"),
        ("insufficient credits", "key limit exceeded", "requires more credits"),
        "OpenRouter: openrouter.ai/docs/api/reference/errors (402; 403 for the limit of a key)",
    ),
    Row(
        QuotaExhausted,
        ("quota_exceeded",),
        ("premium request allowance",),
        "GitHub Copilot: 402 `You have no quota` (github.com/github/copilot-cli/issues/2063)",
    ),
    Row(
        QuotaExhausted,
        (),
        ("used all available credits", "reached its monthly spending limit", "doesn't have any credits"),
        "xAI: docs.x.ai/docs/key-information/debugging (403 and 429 with these words)",
    ),
    Row(
        QuotaExhausted,
        ("exceeded_current_quota_error", "arrearage"),
        ("insufficient balance",),
        "DeepSeek: api-docs.deepseek.com/quick_start/error_codes (402); Moonshot: platform.moonshot.ai/docs (429 "
        "exceeded_current_quota_error); DashScope: help.aliyun.com/zh/model-studio/error-code (400 Arrearage)",
    ),
)

# The key, the model or the place is wrong, for each request alike.
_ACCESS = (
    Row(
        RegionRefused,
        ("unsupported_country_region_territory",),
        ("country, region, or territory not supported",),
        "OpenAI: platform.openai.com/docs/guides/error-codes (403)",
    ),
    Row(
        RegionRefused,
        (),
        ("user location is not supported", "is not available in your country"),
        "Gemini: ai.google.dev/gemini-api/docs/troubleshooting (400 FAILED_PRECONDITION)",
    ),
    Row(
        ModelAccess,
        ("model_not_found", "invalid_api_key", "account_deactivated", "access_terminated"),
        ("does not exist or you do not have access to it", "does not have access to model"),
        "OpenAI: platform.openai.com/docs/guides/error-codes; compatible servers say it with 400, too",
    ),
    Row(
        ModelAccess,
        ("model_not_supported", "model_access_denied", "no_access"),
        ("model access denied", "no access to model", "the requested model is not supported"),
        "GitHub Copilot (400 model_not_supported), GitHub Models (403 no_access): docs.github.com/en/rest/models",
    ),
    Row(
        ModelAccess,
        ("api_key_invalid", "permission_denied"),
        ("api key not valid",),
        "Gemini: ai.google.dev/gemini-api/docs/troubleshooting (400 INVALID_ARGUMENT for a wrong key; 403)",
    ),
    Row(
        ModelAccess,
        ("accessdeniedexception",),
        ("have access to the model with the specified model id", "organization has been disabled"),
        "Amazon Bedrock: docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html; Anthropic",
    ),
)

# This request is not taken; another one may be.
_REQUEST = (
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
        (),
        ("request too large for",),
        "OpenAI and Groq: 429 `Request too large for gpt-4o ... Limit 30000, Requested 40000`, which no wait helps",
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
        (),
        ("requires moderation and your input was flagged",),
        "OpenRouter: openrouter.ai/docs/api/reference/errors (403)",
    ),
    Row(
        ContentFiltered,
        ("prohibited_content", "safety", "blocklist"),
        (),
        "Gemini: ai.google.dev/api/generate-content#FinishReason",
    ),
)

# It passes by itself.
_WAIT = (
    Row(
        RateLimited,
        ("rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "too_many_requests", "429"),
        ("rate limit exceeded", "rate limit reached"),
        "OpenAI, Anthropic (rate_limit_error), Gemini (RESOURCE_EXHAUSTED); in a stream, the status is 200",
    ),
    Row(
        RateLimited,
        ("overloaded_error", "529"),
        (),
        "Anthropic: docs.anthropic.com/en/api/errors (529 overloaded_error): for all that ask, so it is waited for",
    ),
    Row(
        ModelUnavailable,
        ("server_error", "api_error", "unavailable"),
        ("overloaded",),
        "OpenAI: server_error; Anthropic: api_error; Gemini: 503 UNAVAILABLE `The model is overloaded`",
    ),
)

TABLE = (*_QUOTA, *_ACCESS, *_REQUEST, *_WAIT)
