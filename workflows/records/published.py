"""What the tasks have published so far, by their ids: a value, or where in payload storage it is."""

from collections.abc import Collection, Mapping

from pydantic import JsonValue

from grammar.documents.values import StoredDocument, Value


class PublishedOutputs:
    """Hold what tasks published, by task id: in `values`, or in `stored` where it lies in payload storage."""

    def __init__(
        self, values: Mapping[str, JsonValue] | None = None, stored: Mapping[str, StoredDocument] | None = None
    ):
        self.values = dict(values or {})
        self.stored = dict(stored or {})

    def publish(self, name: str, value: Value) -> None:
        """Set the value of the task of that id, in place of an earlier one."""
        self.values.pop(name, None)
        self.stored.pop(name, None)
        if value.stored:
            self.stored[name] = value.stored
        else:
            self.values[name] = value.value

    def only(self, names: Collection[str]) -> "PublishedOutputs":
        """Return those of the named tasks alone."""
        return PublishedOutputs(
            {name: value for name, value in self.values.items() if name in names},
            {name: stored for name, stored in self.stored.items() if name in names},
        )
