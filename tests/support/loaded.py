"""What a process has loaded."""

import sys


def loaded() -> set[str]:
    """Return the names of the packages. A module of its own, so that asking loads nothing."""
    return {name.partition(".")[0] for name in sys.modules}
