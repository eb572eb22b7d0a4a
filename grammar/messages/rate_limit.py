"""How long to wait after a 429 (specification section 7). Pure."""

FIRST_DELAY = 5.0
LONGEST_DELAY = 120.0


def delay(asked: float | None, times: int) -> float:
    """Return the seconds to wait: what the endpoint asks for, else 5, 10, 20 ... 120.

    `asked` None: it did not say. `times`: how often it refused in a row, from 1.
    """
    return asked if asked is not None else min(FIRST_DELAY * 2.0 ** (times - 1), LONGEST_DELAY)
