"""What an endpoint says it counted of one answer, made what can be true: counts, and no part larger than its whole."""

from typing import Any, NamedTuple, Self

from activities.model_endpoint.foreign_json import count

# More tokens than any model reads or writes for one answer: what lies beyond is no count.
MOST_OF_ANSWER = 10**8


class TokenCounts(NamedTuple):
    """The tokens of one answer, as OpenAI counts them: the whole input and output, and which parts of them are special.

    `cached` and `cache_write`: read from, or written to, the provider's cache; both are in `input`. `reasoning`: what
    the model thought; it is in `output`.
    """

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    @classmethod
    def bounded(
        cls,
        input: object,  # noqa: A002
        output: object,
        cached: object = 0,
        cache_write: object = 0,
        reasoning: object = 0,
        total: object = 0,
    ) -> Self:
        """Return the counts of foreign values; 0 for what is none.

        `total`: what it has beyond input and output is output that the model thought: xAI and Gemini count that
        nowhere else, and bill it.
        """
        read, written = _tokens(input), _tokens(output)
        hidden = max(0, _tokens(total) - read - written)
        written += hidden
        from_cache = min(_tokens(cached), read)
        to_cache = min(_tokens(cache_write), read - from_cache)
        return cls(read, from_cache, to_cache, written, min(max(_tokens(reasoning), hidden), written))

    def as_response_usage(self) -> dict[str, Any]:
        """Return them as a `ResponseUsage` of the Responses API."""
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "total_tokens": self.input + self.output,
            "input_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": self.cache_write},
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
        }

    def as_completion_usage(self) -> dict[str, Any]:
        """Return them as a `CompletionUsage` of the Chat Completions API."""
        return {
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": self.cache_write},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }


def of_completion(usage: dict[str, Any]) -> TokenCounts:
    """Return the counts of a chat completion's usage, as several providers have it."""
    given, written = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    return TokenCounts.bounded(
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        # OpenAI's; DeepSeek's; Moonshot's; those that Anthropic's words are handed through by (LiteLLM, Databricks).
        cached=_first(
            given.get("cached_tokens"),
            *(usage.get(name) for name in ("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")),
        ),
        cache_write=_first(given.get("cache_write_tokens"), usage.get("cache_creation_input_tokens")),
        reasoning=_first(written.get("reasoning_tokens"), usage.get("reasoning_tokens")),
        total=usage.get("total_tokens"),
    )


def of_response(usage: dict[str, Any]) -> TokenCounts:
    """Return the counts of the usage of a response of the Responses API."""
    given, written = _details(usage, "input_tokens_details"), _details(usage, "output_tokens_details")
    return TokenCounts.bounded(
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        cached=_first(given.get("cached_tokens"), given.get("cache_read_input_tokens")),  # the second: Perplexity
        cache_write=given.get("cache_write_tokens"),
        reasoning=written.get("reasoning_tokens"),
        total=usage.get("total_tokens"),
    )


def of_message(usage: dict[str, Any]) -> TokenCounts:
    """Return the counts of the usage of a message of the Messages API: what its cache has is no part of its input."""
    cached, cache_write = (
        _tokens(usage.get("cache_read_input_tokens")),
        _tokens(usage.get("cache_creation_input_tokens")),
    )
    return TokenCounts.bounded(
        _tokens(usage.get("input_tokens")) + cached + cache_write,
        usage.get("output_tokens"),
        cached=cached,
        cache_write=cache_write,
        reasoning=usage.get("thinking_tokens"),
    )


def _tokens(value: object) -> int:
    counted = count(value)
    return counted if counted <= MOST_OF_ANSWER else 0


def _first(*values: object) -> object:
    return next((value for value in values if value), 0)


def _details(usage: dict[str, Any], name: str) -> dict[str, Any]:
    found = usage.get(name)
    return found if isinstance(found, dict) else {}
