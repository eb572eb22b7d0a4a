"""A run that keeps references to what is large, and what it does with them."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from grammar.documents.values import StoredDocument, ToolResult
from grammar.messages.activity_requests import AgentRequest, PrepareRequest
from grammar.messages.activity_results import Branch, BranchResult, Page, StoredPage
from tests.workflows.conftest import FlowRunner, ask, said
from tests.workflows.test_parking import parked

pytestmark = pytest.mark.asyncio(loop_scope="session")


def stored(name: str, form: Any = "given") -> StoredDocument:
    return StoredDocument(key=name, size=99_999, form=form)


def large(name: str, results: int = 1) -> BranchResult:
    return BranchResult(produced=True, stored=stored(name), results=results, model="m")


async def test_a_later_task_is_told_where_an_output_is(runner: FlowRunner) -> None:
    runner.fakes.agent = lambda request: large("first", results=2) if request.prompt == "one" else said("x")
    report = await runner.run(ask("one", id="one"), ask("two", id="two"))
    assert (report.outputs, report.stored) == ({"two": "x"}, {"one": stored("first")})
    asked = runner.fakes.prepared[-1]
    assert (asked.outputs, asked.stored) == ({}, {"one": stored("first")})
    assert asked.result == ToolResult(tool_name="", stored=stored("first"), position=1)


async def test_results_of_a_fan_out_are_gathered(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": ["a", "b"]}
    runner.fakes.agent = lambda request: large("big") if request.prompt == "each a" else said("small")
    report = await runner.run(ask("each", id="each", over="x"))
    (asked,) = runner.fakes.gathered
    assert [(branch.item, branch.result.stored, branch.result.value) for branch in asked.branches] == [
        (0, stored("big"), None),
        (1, None, "small"),
    ]
    assert asked.items == {0: "a", 1: "b"}
    assert report.outputs["each"] == "gathered"


async def test_small_results_need_no_gathering(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": ["a", "b"]}
    report = await runner.run(ask("each", id="each", over="x"))
    assert not runner.fakes.gathered
    assert report.outputs["each"] == [
        {"model": "m", "item": "a", "result": "each a"},
        {"model": "m", "item": "b", "result": "each b"},
    ]


def pages(request: PrepareRequest) -> Page:
    """Five items in stored pages of two."""
    first = int(request.page.key) if request.page else 0
    branches = [Branch(index=n, item=n, prompt=f"each {n}") for n in range(first, min(first + 2, 5))]
    known = [StoredPage(first=n, stored=stored(str(n), "value")) for n in (0, 2, 4)]
    return Page(total=5, branches=branches, pages=[] if request.page else known)


async def test_stored_pages_are_read_one_after_the_other(runner: FlowRunner) -> None:
    runner.fakes.page = pages
    await runner.run(ask("each", id="each", over="outputs.x"))
    assert runner.fakes.deployed == [f"each {n}" for n in range(5)]
    assert [request.page and request.page.key for request in runner.fakes.prepared] == [None, "2", "4"]
    assert all(not request.outputs and not request.result for request in runner.fakes.prepared[1:])
    (asked,) = runner.fakes.gathered
    assert ([page.first for page in asked.pages], asked.items) == ([0, 2, 4], {})


async def test_a_retry_reads_the_page_of_what_failed(runner: FlowRunner) -> None:
    mended = False

    def agent(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 3" and not mended:
            raise ApplicationError("no", type="BadRequest", non_retryable=True)
        return said(request.prompt)

    runner.fakes.page, runner.fakes.agent = pages, agent
    handle = await runner.start(ask("each", id="each", over="outputs.x", must_complete=True))
    await parked(handle)
    mended, before = True, len(runner.fakes.prepared)
    await handle.execute_update("retry")
    assert (await handle.result()).status == "completed"
    assert [request.page and request.page.key for request in runner.fakes.prepared[before:]] == ["2"]
    assert sorted(runner.fakes.deployed) == ["each 0", "each 1", "each 2", "each 3", "each 3", "each 4"]


async def test_what_cannot_be_gathered_fails_the_task(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": ["a"]}
    runner.fakes.agent = lambda request: large("big")
    runner.fakes.gather_fails = "a document is missing"
    report = await runner.run(ask("each", id="each", over="x"), ask("then"))
    assert report.status == "completed_with_failures"
    assert [(task.name, task.status) for task in report.tasks] == [("each", "failed"), ("then", "done")]
    assert report.tasks[0].failures[0].message == "a document is missing"
    assert "each" not in report.outputs | report.stored
