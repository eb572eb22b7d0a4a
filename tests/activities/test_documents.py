"""Results too large to be carried around: stored, read again, put together (docs/decisions/0009)."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.gather import GatherActivity
from activities.prepare import PrepareActivity
from activities.process import heartbeat
from activities.process.render import Renderer
from grammar.documents.models import Task
from grammar.documents.values import StoredDocument, ToolResult, Value, stored_result, stored_value
from grammar.messages.activity_requests import (
    KEPT_OF_BRANCH,
    KEPT_OF_TASK,
    GatheredBranch,
    GatherRequest,
    PrepareRequest,
    TemplateContext,
)
from grammar.messages.activity_results import Page, Progress
from runtime.storage.document_files import FileDocuments
from runtime.storage.stored_documents import StoredDocuments
from tests.activities.boxes import box, calls, disk_of
from tests.activities.conftest import KEY, Bench
from tests.support.scripted_endpoint import Call, Reply, ScriptedEndpoint

PRINT_LIST = """python3 -c 'import json; print(json.dumps([{"n": n, "code": "x" * 500} for n in range(1000)]))'"""


@pytest.fixture
def documents(bench: Bench, tmp_path: Path) -> FileDocuments:
    documents = FileDocuments(tmp_path / "documents")
    bench.documents = StoredDocuments(documents)
    return documents


async def value(documents: FileDocuments, stored: StoredDocument | None) -> Any:
    assert stored
    return stored_value(await documents.path(stored.key), stored.form)


async def prepared(bench: Bench, task: Task, **fields: Any) -> Page:
    request = PrepareRequest(task=task, surroundings=TemplateContext(key=KEY), **fields)
    return await ActivityEnvironment().run(PrepareActivity(bench.renderer, bench.documents).prepare, request)


def left_over(documents: FileDocuments) -> list[Path]:
    return list(documents.folder.iterdir())


async def test_a_small_result_stays_with_the_run(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell("echo '[1, 2]'")
    assert (result.value, result.stored, result.tool_results[0].text) == ([1, 2], None, "[1, 2]\n")
    assert not left_over(documents)


async def test_a_large_output_of_a_script_is_stored_as_it_is(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell(PRINT_LIST)
    assert (result.value, result.tool_results, result.produced, result.results) == (None, [], True, 1)
    assert result.stored and result.stored.form == "text"
    assert [item["n"] for item in await value(documents, result.stored)] == list(range(1000))
    file = await documents.path(result.stored.key)
    assert file.stat().st_size == result.stored.size
    assert stored_result(file, "text", 0) == ToolResult(tool_name="shell", text=file.read_text())
    assert len(result.model_dump_json()) < 10_000  # what is said is cut
    assert not left_over(documents)


async def test_a_large_text_is_no_json(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell("printf 'not json %.0s' {1..9999}")
    assert await value(documents, result.stored) == "not json " * 9999


async def test_what_is_stored_holds_no_secret(
    bench: Bench, documents: FileDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "the-secret-value")
    result = await bench.shell("for i in {1..9999}; do echo $S; done", S="{{ env('SECRET') }}")
    assert result.stored
    text = (await documents.path(result.stored.key)).read_text()
    assert text == f"⟦env:SECRET:{KEY}⟧\n" * 9999


async def test_a_large_output_has_to_fit_its_schema_too(bench: Bench, documents: FileDocuments) -> None:
    with pytest.raises(ApplicationError, match="does not fit `outputs`"):
        await bench.shell(PRINT_LIST, outputs={"type": "array", "maxItems": 3})
    assert not left_over(documents)
    assert (await bench.shell(PRINT_LIST, outputs={"type": "array", "minItems": 1000})).stored


async def test_a_large_output_that_is_no_utf_8(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell(r"for i in {1..9999}; do printf 'caf\xe9 é'; done")
    assert await value(documents, result.stored) == "caf� é" * 9999
    assert result.warnings == ["stdout was not UTF-8; such bytes were replaced"]


async def test_what_an_agent_gives_is_stored_with_all_its_results(
    bench: Bench, documents: FileDocuments, endpoint: ScriptedEndpoint
) -> None:
    many = Call(name="many", arguments={"count": 100, "size": 500})
    endpoint.rules = calls(Call(name="lookup", arguments={"key": "a"}), many)
    result = await bench.agent(toolboxes=box("--more"))
    assert (result.value, result.tool_results, result.results) == (None, [], 2)
    assert result.stored and result.stored.form == "given"
    assert [item["n"] for item in await value(documents, result.stored)] == list(range(100))
    file = await documents.path(result.stored.key)
    assert [stored_result(file, "given", position).tool_name for position in (0, 1)] == ["lookup", "many"]


@pytest.mark.parametrize(("kept", "is_stored"), [(KEPT_OF_TASK, False), (KEPT_OF_BRANCH, True)])
async def test_of_one_branch_of_many_less_is_kept(
    bench: Bench, documents: FileDocuments, endpoint: ScriptedEndpoint, kept: int, is_stored: bool
) -> None:
    endpoint.rules = [Reply(text="word " * 1000)]
    result = await bench.agent(capture="response", kept=kept)
    assert (result.stored is not None) is is_stored


def repeat(**fields: Any) -> Task:
    return Task(agents=("who",), user_prompt="{{ result.n }}", **fields)


async def test_pages_are_rendered_once_and_read_from_storage(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell(PRINT_LIST)
    assert result.stored
    page = await prepared(bench, repeat(over="outputs.big"), stored={"big": result.stored})
    assert (page.total, page.branches[0].prompt) == (1000, "0")
    assert [stored.first for stored in page.pages] == [0, 200, 400, 600, 800]
    last = await prepared(bench, repeat(over="outputs.big"), page=page.pages[-1].stored, offset=800)
    assert [branch.prompt for branch in last.branches] == [str(n) for n in range(800, 1000)]
    assert last.branches[-1].item == {"n": 999, "code": "x" * 500}
    assert not left_over(documents)


async def test_a_stored_result_is_carried_over(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell(PRINT_LIST)
    top = ToolResult(tool_name="", stored=result.stored)
    page = await prepared(bench, repeat(repeat_prompt=True), result=top)
    assert (page.total, page.branches[-1].prompt) == (1000, "199")


async def test_one_page_is_not_stored(bench: Bench, documents: FileDocuments) -> None:
    page = await prepared(bench, repeat(over="outputs.few"), outputs={"few": [{"n": 1}]})
    assert (page.total, page.pages, left_over(documents)) == (1, [], [])


async def test_an_output_that_the_task_does_not_read_is_not_brought(bench: Bench, documents: FileDocuments) -> None:
    missing = {"big": StoredDocument(key="0" * 64, size=9, form="value")}
    page = await prepared(bench, repeat(over="outputs.few"), outputs={"few": [{"n": 1}]}, stored=missing)
    assert page.total == 1
    with pytest.raises(ApplicationError, match="is missing") as caught:
        await prepared(bench, repeat(over="outputs.big"), stored=missing)
    assert (caught.value.type, caught.value.non_retryable) == ("StorageFailed", False)


async def test_a_fault_of_a_later_page_shows_before_any_work(bench: Bench, documents: FileDocuments) -> None:
    items: list[Any] = [*({"n": n} for n in range(900)), {}]
    with pytest.raises(ApplicationError, match="undefined name"):
        await prepared(bench, repeat(over="outputs.few"), outputs={"few": items})
    assert not left_over(documents)


async def test_preparing_shows_that_its_worker_lives(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "FIRST", 0.0)
    told: list[Progress] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: told.append(details[0])
    request = PrepareRequest(task=Task(user_prompt="hi", agents=("a",)), surroundings=TemplateContext(key=KEY))
    await environment.run(PrepareActivity(bench.renderer).prepare, request)
    assert [progress.doing for progress in told] == ["preparing"]


async def gathered(documents: FileDocuments, **fields: Any) -> Value:
    return await ActivityEnvironment().run(
        GatherActivity(StoredDocuments(documents)).gather, GatherRequest(meaning=2, **fields)
    )


async def test_the_list_of_a_fan_out(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell(PRINT_LIST)
    page = await prepared(bench, repeat(over="outputs.big"), stored={"big": result.stored})
    branches = [GatheredBranch(item=n, model="m", result=Value(value=n)) for n in range(999)]
    branches.append(GatheredBranch(item=999, model="m", error="no"))
    found = await gathered(documents, branches=branches, pages=page.pages)
    entries = await value(documents, found.stored)
    assert [entry["value"]["n"] for entry in entries] == list(range(1000))
    assert entries[7] == {"model": "m", "item": 7, "value": {"n": 7, "code": "x" * 500}, "result": 7}
    assert (entries[999]["result"], entries[999]["error"]) == (None, "no")
    assert not left_over(documents)


async def test_a_short_list_stays_with_the_run(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell("echo '{\"a\": 1}'", kept=1)
    branches = [GatheredBranch(item=4, model="m", result=Value(stored=result.stored))]
    found = await gathered(documents, branches=branches, items={4: "four"})
    assert found == Value(value=[{"model": "m", "item": 4, "value": "four", "result": {"a": 1}}])
    assert not left_over(documents)


async def test_a_damaged_document_is_noticed(bench: Bench, documents: FileDocuments) -> None:
    result = await bench.shell(PRINT_LIST)
    assert result.stored
    (await documents.path(result.stored.key)).write_text("[]")
    with pytest.raises(ApplicationError, match="is damaged"):
        await prepared(bench, repeat(over="outputs.big"), stored={"big": result.stored})


async def test_a_worker_without_storage_says_so(bench: Bench, documents: FileDocuments) -> None:
    stored = {"big": StoredDocument(key="0" * 64, size=9, form="value")}
    bench.documents = None
    with pytest.raises(ApplicationError, match="payload storage, and this worker is told of none"):
        await prepared(bench, repeat(over="outputs.big"), stored=stored)


async def test_a_full_disk_is_no_bug_and_leaves_nothing_behind(bench: Bench, documents: FileDocuments) -> None:
    with disk_of(50_000), pytest.raises(ApplicationError) as caught:
        await bench.shell(PRINT_LIST)
    assert (caught.value.type, caught.value.non_retryable) == ("StorageFailed", False)
    assert "File too large" in caught.value.message
    assert left_over(documents) == []


async def test_a_full_disk_while_a_result_is_stored(
    bench: Bench, documents: FileDocuments, endpoint: ScriptedEndpoint
) -> None:
    endpoint.rules = calls(Call(name="many", arguments={"count": 100, "size": 1000}))
    with disk_of(50_000), pytest.raises(ApplicationError) as caught:
        await bench.agent(toolboxes=box("--more"), kept=1000)
    assert (caught.value.type, caught.value.non_retryable) == ("StorageFailed", False)
    assert left_over(documents) == []


async def test_a_full_disk_while_prompts_are_rendered(bench: Bench, documents: FileDocuments) -> None:
    task = Task(run="true", repeat_prompt=True, over="range(20000) | list")
    bench.renderer = Renderer()  # its child has the limits of the process that starts it
    with disk_of(1000), pytest.raises(ApplicationError) as caught:
        await prepared(bench, task)
    assert caught.value.type == "StorageFailed"
    await bench.renderer.close()
