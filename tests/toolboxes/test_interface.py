"""The names that existing flows and prompts use. They are written out here: changing one breaks flows."""

from pathlib import Path

import pytest

from tests.toolboxes.toolbox_client import toolbox

ARGUMENTS: dict[str, dict[str, set[str]]] = {
    "echo": {"echo_tool": {"message"}},
    "memcache": {
        "memcache_set_state": {"key", "value"},
        "memcache_get_state": {"key"},
        "memcache_add_state": {"key", "value"},
        "memcache_delete_state": {"key"},
        "memcache_list_keys": set(),
        "memcache_get_all_entries": set(),
        "memcache_clear_cache": set(),
    },
    "logbook": {
        "logbook_write": {"entry", "key"},
        "logbook_read": {"key"},
        "logbook_erase": {"key"},
    },
}

READ_ONLY = {
    "echo_tool",
    "memcache_get_state",
    "memcache_list_keys",
    "memcache_get_all_entries",
    "logbook_read",
}
DESTRUCTIVE = {"memcache_set_state", "memcache_delete_state", "memcache_clear_cache", "logbook_erase"}
NOT_REPEATABLE = {"memcache_add_state", "logbook_write"}


@pytest.mark.parametrize("name", ["echo", "memcache", "logbook"])
async def test_tools_arguments_and_hints(name: str, tmp_path: Path) -> None:
    folder = str(tmp_path)
    async with toolbox(name, MEMCACHE_STATE_DIR=folder, LOGBOOK_STATE_DIR=folder) as box:
        tools = (await box.client.list_tools()).tools
    assert {tool.name: set(tool.input_schema["properties"]) for tool in tools} == ARGUMENTS[name]
    for tool in tools:
        assert set(tool.input_schema.get("required", ())) == ARGUMENTS[name][tool.name]
        assert tool.output_schema is None
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name in READ_ONLY)
        assert tool.annotations.destructive_hint is (tool.name in DESTRUCTIVE)
        assert tool.annotations.idempotent_hint is (tool.name not in NOT_REPEATABLE)
        assert tool.annotations.open_world_hint is False


async def test_texts_are_texts_and_a_stored_value_may_be_any_type(tmp_path: Path) -> None:
    async with toolbox("memcache", MEMCACHE_STATE_DIR=str(tmp_path)) as box:
        for tool in (await box.client.list_tools()).tools:
            types = {name: field.get("type") for name, field in tool.input_schema["properties"].items()}
            assert types == {name: None if name == "value" else "string" for name in types}
