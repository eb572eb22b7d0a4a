"""`--sample`: a commented taskflow to start from."""

from pathlib import Path

import taskflows

SAMPLE = Path(taskflows.__file__).parent / "examples" / "sample.yaml"
_FOR_EDITORS = "# yaml-language-server:"


def text() -> str:
    """The sample, as a file of its own: without the line that leads editors to the schema beside it."""
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_FOR_EDITORS))


def run() -> int:
    """Print it. Returns the exit code."""
    print(text(), end="")
    return 0
