"""Why a model stopped, in the words of several providers: whether its answer is whole, cut, or none. Pure."""

_MAX_TOKENS = "max_tokens"
_FILTER = "content_filter"

_CUT = {
    # OpenAI's chat completions; the others are words that compatible endpoints hand through from the model behind them.
    "length": _MAX_TOKENS,
    "max_tokens": _MAX_TOKENS,  # Anthropic, Gemini, Cohere
    "max_output_tokens": _MAX_TOKENS,  # OpenAI's responses
    "model_length": _MAX_TOKENS,  # Mistral
    "model_context_window_exceeded": _MAX_TOKENS,  # Anthropic
    "content_filter": _FILTER,
    "content_filtered": _FILTER,  # Bedrock
    "safety": _FILTER,  # Gemini, with those that follow
    "recitation": _FILTER,
    "blocklist": _FILTER,
    "prohibited_content": _FILTER,
    "spii": _FILTER,
    "guardrail_intervened": _FILTER,  # Bedrock
}
_FAILURES = {"error", "abort", "aborted", "cancelled", "network_error", "malformed_function_call", "other"}


def cut_by(reason: str) -> str:
    """Return what cut the answer off, `max_tokens` or `content_filter`; empty for one that is whole."""
    return _CUT.get(reason.lower(), "")


def is_failure(reason: str) -> bool:
    """Whether the endpoint says that it failed: there is no answer, and there may be one the next time."""
    return reason.lower() in _FAILURES
