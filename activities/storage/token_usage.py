"""What the SDK counted of tokens, as a run records it."""

from typing import Any

from grammar.messages.activity_results import Usage


def usage_of(counted: Any, requests: int = 1) -> Usage:
    """Return the usage that an SDK's object tells of so many requests; None: the endpoint told nothing.

    `counted`: a ResponseUsage of one answer, or the agents SDK's Usage of several; both have the same fields. One that
    an older journal holds may lack some.
    """
    given = getattr(counted, "input_tokens_details", None)
    written = getattr(counted, "output_tokens_details", None)
    return Usage(
        requests=requests,
        input_tokens=_count(counted, "input_tokens"),
        cached_tokens=_count(given, "cached_tokens"),
        cache_write_tokens=_count(given, "cache_write_tokens"),
        output_tokens=_count(counted, "output_tokens"),
        reasoning_tokens=_count(written, "reasoning_tokens"),
    )


def _count(counted: Any, name: str) -> int:
    return getattr(counted, name, None) or 0
