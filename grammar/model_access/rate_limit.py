"""How long to wait after a 429 (specification section 7). Pure."""

FIRST_DELAY = 5.0
LONGEST_DELAY = 120.0
LONGEST_WAIT = 86_400.0
"""Seconds. What an endpoint asks for beyond is a slip of its pen, and more than a timer takes."""


def delay(asked: float | None, times: int) -> float:
    """Return the seconds to wait: what the endpoint asks for, at most a day, else 5, 10, 20 ... 120.

    `asked` None: it did not say. `times`: how often it refused in a row, from 1.
    """
    if asked is not None:
        return min(max(0.0, asked), LONGEST_WAIT)
    return min(FIRST_DELAY * 2.0 ** min(times - 1, 10), LONGEST_DELAY)
