"""Which outputs a task's templates may read: large ones are brought only where they are. Pure."""

import re
from collections.abc import Iterable

# `outputs` used in another way than `outputs.x` or `outputs['x']`: what is read cannot be told from the text.
_AS_A_WHOLE = re.compile(r"""\boutputs\b(?!\s*(\.\s*\w|\[\s*['"]))""")
_METHOD = re.compile(r"\boutputs\s*\.\s*\w+\s*\(")


def outputs_read(texts: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return those of the names that the templates and expressions read, or might; all where it cannot be told."""
    known = list(names)
    read = [text for text in texts if "outputs" in text]
    if any(_AS_A_WHOLE.search(text) or _METHOD.search(text) for text in read):
        return known
    return [name for name in known if any(re.search(rf"\b{re.escape(name)}\b", text) for text in read)]
