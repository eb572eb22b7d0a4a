"""Sizes as people write them in a file, and as they read them."""

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?")
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
LEAST = 1024**2
MOST = 1024**5


def parse_size(value: object) -> int:
    """Return the bytes that `512M`, `4G` or a number means: each step is 1024.

    Raises ValueError, with what to write.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        size = float(min(value, MOST + 1))
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = float(match[1]) * _BYTES[match[2]]
    else:
        raise ValueError("write a size as 512M, 4G, or a number of bytes")
    if not LEAST <= size <= MOST:
        raise ValueError("a size is at least 1M and at most 1024T")
    return int(size)


def spoken_size(size: int) -> str:
    """Return the size as a file would have it: `512M`, `4G`."""
    for unit in ("T", "G", "M"):
        if size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return str(size)
