"""Both backends behave the same, and hold when several processes write at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import JsonValue

from tests.support.waiting import in_a_task
from tests.toolboxes.toolbox_client import ToolboxClient, toolbox

FILES = {"sqlite": "memcache.db", "dictionary_file": "memory.json"}
WRITES = 40
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(params=sorted(FILES), scope="module")
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ToolboxClient]:
    """One server for what is not about servers: its start takes a second."""
    state = tmp_path_factory.mktemp(backend) / "state"
    async with in_a_task(toolbox("memcache", MEMCACHE_BACKEND=backend, MEMCACHE_STATE_DIR=str(state))) as box:
        yield box


@pytest_asyncio.fixture(loop_scope="module")
async def box(shared: ToolboxClient) -> ToolboxClient:
    """That server, with an empty memory."""
    await shared.call("memcache_clear_cache")
    return shared


@pytest.fixture
def env(backend: str, tmp_path: Path) -> dict[str, str]:
    return {"MEMCACHE_BACKEND": backend, "MEMCACHE_STATE_DIR": str(tmp_path / "state")}


@pytest.mark.parametrize("value", ["text", "", "true", "[1, 2]", 7, -0.5, True, None, [], {"a": [1, None, "ü"]}])
async def test_a_value_comes_back_as_it_was(box: ToolboxClient, value: JsonValue) -> None:
    await box.call("memcache_set_state", key="k", value=value)
    got = json.loads(await box.call("memcache_get_state", key="k"))
    assert got == value
    assert type(got) is type(value)


async def test_set_replaces_and_an_unknown_key_is_empty(box: ToolboxClient) -> None:
    assert json.loads(await box.call("memcache_get_state", key="k")) == ""
    await box.call("memcache_set_state", key="k", value=1)
    await box.call("memcache_set_state", key="k", value=2)
    assert json.loads(await box.call("memcache_get_state", key="k")) == 2


@pytest.mark.parametrize(
    ("old", "new", "together"),
    [
        ([1], 2, [1, 2]),
        ([1], [2, 3], [1, 2, 3]),
        ([1], {"a": 1}, [1, {"a": 1}]),
        ("a", "b", "ab"),
        (1, 2.5, 3.5),
    ],
)
async def test_add(box: ToolboxClient, old: JsonValue, new: JsonValue, together: JsonValue) -> None:
    await box.call("memcache_add_state", key="k", value=old)
    await box.call("memcache_add_state", key="k", value=new)
    assert json.loads(await box.call("memcache_get_state", key="k")) == together


@pytest.mark.parametrize(("old", "new"), [("a", [1]), ({"a": 1}, {"b": 2}), (1, True), (None, 1)])
async def test_what_cannot_be_added_is_refused(box: ToolboxClient, old: JsonValue, new: JsonValue) -> None:
    await box.call("memcache_set_state", key="k", value=old)
    assert "cannot add" in await box.refused("memcache_add_state", key="k", value=new)
    assert json.loads(await box.call("memcache_get_state", key="k")) == old


async def test_list_delete_and_clear(box: ToolboxClient) -> None:
    for key in ("b", "a", "c"):
        await box.call("memcache_set_state", key=key, value=key.upper())
    assert json.loads(await box.call("memcache_list_keys")) == ["b", "a", "c"]
    assert await box.call("memcache_delete_state", key="a") == "Deleted the key `a`."
    assert await box.call("memcache_delete_state", key="a") == "There is no key `a`."
    entries = json.loads(await box.call("memcache_get_all_entries"))
    assert entries == [{"key": "b", "value": "B"}, {"key": "c", "value": "C"}]
    await box.call("memcache_clear_cache")
    assert json.loads(await box.call("memcache_get_all_entries")) == []


async def test_the_memory_outlives_the_server(env: dict[str, str]) -> None:
    async with toolbox("memcache", **env) as box:
        await box.call("memcache_set_state", key="k", value=[1])
    async with toolbox("memcache", **env) as box:
        assert json.loads(await box.call("memcache_get_state", key="k")) == [1]


async def test_two_processes_lose_nothing(env: dict[str, str]) -> None:
    async with toolbox("memcache", **env) as first, toolbox("memcache", **env) as second:
        await asyncio.gather(
            *(
                box.call("memcache_add_state", key="k", value=[f"{who}{i}"])
                for i in range(WRITES)
                for who, box in (("first", first), ("second", second))
            )
        )
        kept = json.loads(await first.call("memcache_get_state", key="k"))
    assert sorted(kept) == sorted(f"{who}{i}" for who in ("first", "second") for i in range(WRITES))


async def test_a_damaged_file_is_reported_and_left_alone(backend: str, env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "state" / FILES[backend]
    file.parent.mkdir()
    damaged = b'{"k": [1, 2' + b"\x00 no database either" * 60
    file.write_bytes(damaged)
    async with toolbox("memcache", **env) as box:
        assert str(file) in await box.refused("memcache_get_state", key="k")
        assert str(file) in await box.refused("memcache_set_state", key="k", value=1)
        assert str(file) in await box.refused("memcache_clear_cache")
    assert file.read_bytes() == damaged
    assert {path.name for path in file.parent.iterdir()} == {file.name, file.name + ".lock"}
