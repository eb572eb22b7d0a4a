"""A value under `outputs`, as a report shows it: a list of records is a table."""

from dataclasses import dataclass

from markupsafe import Markup
from pydantic import JsonValue

from pictures.markdown import Typesetter
from pictures.text_format import as_text, cut, readable_references

MAX_COLUMNS = 8
MAX_ROWS = 200
MAX_CELL = 300


@dataclass(frozen=True)
class OutputSection:
    """A value under `outputs`.

    `text`: it as JSON, cut. `html`: what a model said, laid out; None where it is shown as it is. `columns`, `rows`: it
    as a table, texts of a model laid out; empty where it is no list of records, or too large.
    """

    name: str
    text: str
    html: Markup | None
    columns: list[str]
    rows: list[list[str | Markup]]


def output_section(name: str, value: JsonValue, limit: int, typesetter: Typesetter | None = None) -> OutputSection:
    """Return the section of a value. `limit`: the characters that it may take, as JSON and as a table each.

    `typesetter`: lays out what a model said; None: the value is of a script.
    """
    text = cut(readable_references(as_text(value, 2)), limit)
    html = typesetter.html(text) if typesetter and isinstance(value, str) else None
    columns, rows = _table(value, typesetter)
    fits = sum(len(cell) for row in rows for cell in row) <= limit
    return OutputSection(name, text, html, columns if fits else [], rows if fits else [])


def _table(value: JsonValue, typesetter: Typesetter | None) -> tuple[list[str], list[list[str | Markup]]]:
    records = [record for record in value if isinstance(record, dict)] if isinstance(value, list) else []
    columns = list(dict.fromkeys(name for record in records for name in record))
    is_table = isinstance(value, list) and len(records) == len(value) <= MAX_ROWS and 0 < len(columns) <= MAX_COLUMNS
    if not is_table:
        return [], []
    return columns, [[_cell(record.get(name), typesetter) for name in columns] for record in records]


def _cell(value: JsonValue, typesetter: Typesetter | None) -> str | Markup:
    text = "" if value is None else cut(readable_references(as_text(value)), MAX_CELL)
    is_said = typesetter is not None and isinstance(value, str) and not value.isalnum()
    html = typesetter.html(text) if typesetter and is_said else None
    return text if html is None else Markup('<div class="laid">{}</div>').format(html)
