"""JSON Schemas (2020-12) of the document kinds, for editors (specification section 1).

An unknown field breaks them, as it does with `--strict`: that is how an editor finds a misspelt one.
"""

from typing import Any, get_args

from grammar.documents.descriptions import FIELDS, SETTINGS
from grammar.documents.descriptions import KINDS as DESCRIPTIONS
from grammar.documents.document import Document
from grammar.documents.field_types import SUPPORTED
from grammar.documents.model_reach import EndpointLimits, ModelReach
from grammar.documents.models import KINDS, Task
from grammar.documents.sandbox import Preset
from grammar.loading.source import HEADER

SchemaMap = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINED = "$defs"


def schema(kind: str) -> SchemaMap:
    """Return the schema of a kind of document, one of KINDS."""
    model = KINDS[kind]
    found = model.model_json_schema(by_alias=True)
    defined = found.pop(_DEFINED, {})
    by_name = {described.__name__: described for described in FIELDS}
    parts = {name: _described(part, by_name[name]) for name, part in defined.items() if name in by_name}
    found = _described(found, model)
    found["properties"] = {HEADER: _header(kind), **found["properties"]}
    if kind == "taskflow":
        found["properties"] |= _tasks(found["properties"])
    if "ModelChoice" in parts:
        parts["ModelChoice"] = {"anyOf": [{"type": "string"}, parts["ModelChoice"]]}
    if "SandboxChoice" in parts:
        preset = {"enum": list(get_args(Preset))}
        parts["SandboxChoice"] = {"anyOf": [preset, parts["SandboxChoice"]]}
    frame = {"$schema": _DIALECT, "title": kind, "description": DESCRIPTIONS[kind]}
    return {**frame, **found, **({_DEFINED: parts} if parts else {})}


def _described(part: SchemaMap, model: type[Document]) -> SchemaMap:
    """The schema of one map, with what each field means."""
    texts = FIELDS[model]
    required = part.get("required", [])
    properties = {
        name: {"description": texts[name], **_field(name, value, name in required)}
        for name, value in part["properties"].items()
    }
    kept = {"required": required} if required else {}
    return {"type": "object", "properties": properties, **kept, "additionalProperties": False}


def _field(name: str, value: SchemaMap, required: bool) -> SchemaMap:
    value = {key: part for key, part in value.items() if key not in ("title", "description")}
    if value.get("default", "") in (None, "", [], {}) or value.get("type") == ["string", "number"]:
        value.pop("default", None)
    if value.get("additionalProperties") == {"$ref": f"#/{_DEFINED}/JsonValue"}:
        value.pop("additionalProperties")
    if name == "model_settings":
        value = _settings(value)
    return value if required else _nullable(value)


def _nullable(value: SchemaMap) -> SchemaMap:
    """A key without a value counts as not written."""
    null = {"type": "null"}
    if "enum" in value:
        return {**{key: part for key, part in value.items() if key != "type"}, "enum": [*value["enum"], None]}
    if "const" in value:
        rest = {key: part for key, part in value.items() if key not in ("type", "const")}
        return {**rest, "enum": [value["const"], None]}
    if "anyOf" in value:
        return value if null in value["anyOf"] else {**value, "anyOf": [*value["anyOf"], null]}
    if "$ref" in value:
        return {"anyOf": [value, null]}
    kinds = value.get("type", [])
    return {**value, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def _settings(value: SchemaMap) -> SchemaMap:
    """Settings, or a map of them: the keys that are ours. All others go to the model."""
    typed = {name: _field(name, part, False) for name, part in ModelReach.model_json_schema()["properties"].items()}
    typed["limits"] = {**_described(EndpointLimits.model_json_schema(), EndpointLimits), "type": ["object", "null"]}
    ours: SchemaMap = {
        name: {**typed.get(name, {"type": "string"}), "description": text} for name, text in SETTINGS.items()
    }
    named = isinstance(value.get("additionalProperties"), dict) and "type" in value["additionalProperties"]
    if not named:  # a model config may have models for other engines
        for name, supported in SUPPORTED.items():
            ours[name] = {"enum": list(supported), "description": SETTINGS[name]}
    settings = {"type": "object", "properties": ours}
    return {"type": "object", "additionalProperties": _nullable(settings)} if named else settings


def _tasks(properties: SchemaMap) -> SchemaMap:
    """`taskflow` as it is written, a list of `- task:`; and `defaults`, which are task fields too."""
    task = {"$ref": f"#/{_DEFINED}/{Task.__name__}"}
    entry = {"type": "object", "properties": {"task": task}, "required": ["task"], "additionalProperties": False}
    defaults = {"description": properties["defaults"]["description"], "anyOf": [task, {"type": "null"}]}
    return {"taskflow": {**properties["taskflow"], "items": entry}, "defaults": defaults}


def _header(kind: str) -> SchemaMap:
    return {
        "type": ["object", "null"],
        "description": "What kind of document this is. It may be left out.",
        "properties": {
            "version": {"enum": ["1.0", "1", 1.0], "description": "The version of the grammar."},
            "filetype": {"const": kind, "description": "The kind of document."},
        },
        "required": ["version", "filetype"],
    }
