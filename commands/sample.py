"""`sample`: a commented taskflow to start from."""

from pathlib import Path

import taskflows

SAMPLE = Path(taskflows.__file__).parent / "examples" / "sample.yaml"
_FOR_EDITORS = "# yaml-language-server:"


def sample() -> int:
    """Print a commented taskflow to start from."""
    print(text(), end="")
    return 0


def text() -> str:
    """Return the sample as a file of its own: without the line that leads editors to the schema beside it."""
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_FOR_EDITORS))
