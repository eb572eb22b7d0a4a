"""The YAML blocks of the pages, as the documents that they stand for."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import yaml

from grammar.documents.rules import RulesFile
from grammar.loading.bundle import LoadOptions, load
from grammar.loading.lint import Findings, lint
from grammar.loading.source import HEADER

BLOCK = re.compile(r"^(?:<!-- kind: (\w+) -->\n)?```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: Path) -> Iterator[tuple[str, str]]:
    """(kind, text) of each YAML block: a kind of document, `task`, or `rules` of a dry run."""
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        found = yaml.safe_load(text)
        header = found.get(HEADER) or {}
        yield kind or header.get("filetype") or ("rules" if "rules" in found else "taskflow"), text


def document(kind: str, text: str) -> str:
    """The block as a file: a task within a flow that has a result to read."""
    if kind != "task":
        return text if HEADER in text or kind == "taskflow" else f"{_header(kind)}\n{text}"
    before = "taskflow:\n  - task: {id: before, run: \"echo '[1]'\"}\n  - task:\n"
    return before + indent(text, " " * 6)


def _header(kind: str) -> str:
    return f"{HEADER}: {{version: 1, filetype: {kind}}}"


def checked(kind: str, text: str, folder: Path) -> Findings:
    """What strict lint says of the block; a flow is loaded as for a run, too. Rules raise where they are wrong."""
    if kind == "rules":
        RulesFile.model_validate(yaml.safe_load(text))
        return Findings()
    file = folder / "document.yaml"
    file.write_text(document(kind, text), encoding="utf-8")
    order = LoadOptions(str(file), strict=True)
    if kind in ("taskflow", "task"):
        assert load(order).warnings == []
    return lint(str(file), order)
