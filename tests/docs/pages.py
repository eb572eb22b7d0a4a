"""The pages that people read, and what stands in them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs/reference.md"
DESIGN = ROOT / "docs/design.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[str]:
    """The code blocks of these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def files(page: Path) -> dict[str, str]:
    """The blocks that a page has the reader save, by the names that it gives them."""
    text = page.read_text(encoding="utf-8")
    saved = r"(?:This is|Save this as) `([\w.]+)`(?:(?!^```).)*?^```\w+\n(.*?)^```"
    return dict(re.findall(saved, text, re.MULTILINE | re.DOTALL))


def anchors(page: Path) -> set[str]:
    """What a link may have after its #: the headings."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^#+ (.*)$", prose, re.M)}


def spans(page: Path) -> list[str]:
    """`inline code`, outside code blocks."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def commands(page: Path) -> list[str]:
    """What a reader may type: prompts in console blocks, and inline code."""
    return typed(page) + spans(page)


def typed(page: Path) -> list[str]:
    """The commands of console blocks."""
    return [line[2:] for text in blocks(page, "console") for line in text.splitlines() if line.startswith("$ ")]


def table(heading: str, page: Path) -> list[list[str]]:
    """The cells of the rows of each table whose first column is headed so."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for rows in found for row in rows.splitlines()]


def names(heading: str, page: Path) -> set[str]:
    """The inline code in the first column."""
    return {name for row in table(heading, page) for name in re.findall(r"`([^`]+)`", row[0])}
