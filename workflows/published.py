"""What the tasks have published so far, by their ids: a value, or where in payload storage it is."""

from collections.abc import Collection, Mapping

from pydantic import JsonValue

from grammar.documents.values import StoredDocument, Value


class PublishedOutputs:
    """`values`, and `stored` for those that are not here."""

    def __init__(
        self, values: Mapping[str, JsonValue] | None = None, stored: Mapping[str, StoredDocument] | None = None
    ):
        self.values = dict(values or {})
        self.stored = dict(stored or {})

    def publish(self, name: str, value: Value) -> None:
        """That task's value, in place of an earlier one."""
        self.values.pop(name, None)
        self.stored.pop(name, None)
        if value.stored:
            self.stored[name] = value.stored
        else:
            self.values[name] = value.value

    def of(self, names: Collection[str]) -> "PublishedOutputs":
        """Those of the names alone."""
        return PublishedOutputs(
            {name: value for name, value in self.values.items() if name in names},
            {name: one for name, one in self.stored.items() if name in names},
        )
