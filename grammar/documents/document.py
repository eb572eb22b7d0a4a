"""What all documents, and the maps in them, have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Document(BaseModel):
    """Base of everything that is written in YAML. A key without a value counts as not written."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        serialize_by_alias=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data

    @classmethod
    def known_fields(cls) -> set[str]:
        """Return the keys that a person may write."""
        return {field.alias or name for name, field in cls.model_fields.items()}
