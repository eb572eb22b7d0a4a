"""Durations as people write them in a file, and as they read them on a screen."""

import re
from datetime import timedelta

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
LONGEST = 10 * 365 * 86400
"""The longest duration, in seconds: ten years."""
_SHORTEST = 0.001  # Temporal takes less than a microsecond for none at all
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> float:
    """Return the seconds that `30s`, `5m`, `2h`, `1d` or a number means (specification section 8).

    Raises ValueError, with what to write.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(min(value, LONGEST + 1))  # an int may be larger than any float
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * _SECONDS[match[2] or "s"]
    else:
        raise ValueError("write a duration as 30s, 5m, 2h, 1d, or a number of seconds")
    if not 0 < seconds <= LONGEST:
        raise ValueError("a duration is more than 0 and at most ten years")
    return max(seconds, _SHORTEST)


def rough(seconds: float) -> str:
    """Return the duration of something that is not over: `12 s`, `3 min 5 s`, `2 h 10 min`."""
    return f"{seconds:.0f} s" if round(seconds) < 60 else spoken(timedelta(seconds=seconds))


def spoken(duration: timedelta) -> str:
    """Return the duration as people read it: `1.2 s`, `3 min 5 s`, `2 h 10 min`."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
