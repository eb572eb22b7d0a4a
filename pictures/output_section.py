"""A value under `outputs`, as a report shows it: a list of records is a table."""

from dataclasses import dataclass

from pydantic import JsonValue

from pictures.text_format import as_text, cut, readable_references

MAX_COLUMNS = 8
MAX_ROWS = 200
MAX_CELL = 300


@dataclass(frozen=True)
class OutputSection:
    """A value under `outputs`.

    `text`: it as JSON, cut. `columns`, `rows`: it as a table; empty where it is no list of records, or too large.
    """

    name: str
    text: str
    columns: list[str]
    rows: list[list[str]]


def output_section(name: str, value: JsonValue, limit: int) -> OutputSection:
    """Return the section of a value. `limit`: the characters that it may take, as JSON and as a table each."""
    text = cut(readable_references(as_text(value, 2)), limit)
    columns, rows = _table(value)
    fits = sum(len(cell) for row in rows for cell in row) <= limit
    return OutputSection(name, text, columns if fits else [], rows if fits else [])


def _table(value: JsonValue) -> tuple[list[str], list[list[str]]]:
    records = [record for record in value if isinstance(record, dict)] if isinstance(value, list) else []
    columns = list(dict.fromkeys(name for record in records for name in record))
    is_table = isinstance(value, list) and len(records) == len(value) <= MAX_ROWS and 0 < len(columns) <= MAX_COLUMNS
    if not is_table:
        return [], []
    return columns, [[_cell(record[name]) if name in record else "" for name in columns] for record in records]


def _cell(value: JsonValue) -> str:
    return "" if value is None else cut(readable_references(as_text(value)), MAX_CELL)
