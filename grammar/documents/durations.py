"""Durations as people read them."""

from datetime import timedelta


def rough(seconds: float) -> str:
    """`12 s`, `3 min 5 s`, `2 h 10 min`: of what is not over."""
    return f"{seconds:.0f} s" if round(seconds) < 60 else spoken(timedelta(seconds=seconds))


def spoken(duration: timedelta) -> str:
    """`1.2 s`, `3 min 5 s`, `2 h 10 min`."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
