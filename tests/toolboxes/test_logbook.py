import asyncio
import json
from pathlib import Path

from tests.toolboxes.toolbox_client import toolbox


async def test_write_read_erase(tmp_path: Path) -> None:
    async with toolbox("logbook", LOGBOOK_STATE_DIR=str(tmp_path)) as box:
        assert json.loads(await box.call("logbook_read", key="k")) == []
        await box.call("logbook_write", key="k", entry="one")
        await box.call("logbook_write", key="k", entry="two\nlines")
        await box.call("logbook_write", key="../other", entry="elsewhere")
        assert json.loads(await box.call("logbook_read", key="k")) == ["one", "two\nlines"]
        await box.call("logbook_erase", key="k")
        assert json.loads(await box.call("logbook_read", key="k")) == []
        assert json.loads(await box.call("logbook_read", key="../other")) == ["elsewhere"]


async def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    folder = str(tmp_path)
    async with (
        toolbox("logbook", LOGBOOK_STATE_DIR=folder) as first,
        toolbox("logbook", LOGBOOK_STATE_DIR=folder) as second,
    ):
        await asyncio.gather(
            *(box.call("logbook_write", key="k", entry=str(i)) for i in range(20) for box in (first, second))
        )
        assert len(json.loads(await second.call("logbook_read", key="k"))) == 40


async def test_a_damaged_book_is_reported_and_left_alone(tmp_path: Path) -> None:
    book = tmp_path / "logbook.json"
    book.write_text("[]")
    async with toolbox("logbook", LOGBOOK_STATE_DIR=str(tmp_path)) as box:
        assert str(book) in await box.refused("logbook_write", key="k", entry="one")
    assert book.read_text() == "[]"
