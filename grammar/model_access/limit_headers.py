"""What an endpoint's headers say of its limits (specification section 6). Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from grammar.model_access.rate_limit import LONGEST_WAIT

_NAMES = (
    ("x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),  # OpenAI, Azure, Groq, Mistral, Copilot
    ("anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset"),  # Anthropic
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SINCE_EPOCH = 10.0**9


class Remaining(NamedTuple):
    """How much of something an endpoint takes for the time being."""

    amount: int
    """How much."""
    seconds: float
    """For how long: after that, it takes more."""


def remaining(headers: Mapping[str, str], what: str, now: float) -> Remaining | None:
    """Return how many `requests`, or `tokens`, are left; None where the endpoint does not say.

    `headers`: with names in small letters. `now`: in seconds since the epoch.
    """
    for count, reset in _NAMES:
        left, seconds = headers.get(count.format(what), ""), _seconds(headers.get(reset.format(what), ""), now)
        if left.strip().isdecimal() and len(left) < 20 and seconds is not None:
            return Remaining(int(left), seconds)
    return None


def wait_of_refusal(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until what is used up is there again, the longest; None where the endpoint does not say."""
    found = [remaining(headers, what, now) for what in ("requests", "tokens")]
    return max((left.seconds for left in found if left and left.amount == 0), default=None)


def _seconds(text: str, now: float) -> float | None:
    """Return a duration such as `6m0s` or `20ms`, a number of seconds, or the time until a date; at most a day."""
    text = text.strip()[:100]
    if parts := _PART.findall(text):
        whole = "".join(f"{number}{unit}" for number, unit in parts) == text
        return min(sum(float(number) * _UNITS[unit] for number, unit in parts), LONGEST_WAIT) if whole else None
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
        number = float(text)
        return min(max(0.0, number - now if number > _SINCE_EPOCH else number), LONGEST_WAIT)
    try:
        date = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, date - now), LONGEST_WAIT)
