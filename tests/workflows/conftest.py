"""The workflow on the time-skipping server, with activities faked by name."""

import sysconfig
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from grammar.documents.models import ModelConfig, Personality, Task
from grammar.documents.values import ToolResult, Value
from grammar.messages import names
from grammar.messages.activity_requests import (
    AgentRequest,
    CountUsageRequest,
    GatherRequest,
    PrepareRequest,
    ShellRequest,
)
from grammar.messages.activity_results import Branch, BranchResult, Page, Usage
from grammar.messages.reports import RunReport
from grammar.messages.run_bundle import MEANING, Bundle, Meaning
from runtime.sandbox import workflow_runner
from workflows.taskflow import TaskflowWorkflow

Agent = Callable[[AgentRequest], Awaitable[BranchResult] | BranchResult]


def said(text: str) -> BranchResult:
    """What an agent gives that called one tool."""
    return BranchResult(value=text, produced=True, tool_results=[ToolResult(tool_name="tool", text=text)], model="m")


@dataclass
class Fakes:
    """The activities. `items`: by task name, one prompt each. `agent`, `shell`: what a deployment gives."""

    items: dict[str, list[Any]] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    page_size: int = 200
    agent: Agent = field(default=lambda request: said(request.prompt))
    shell: Callable[[ShellRequest], BranchResult] = field(default=lambda request: said(request.script))
    page: Callable[[PrepareRequest], Page] | None = None
    gather_fails: str = ""
    prepared: list[PrepareRequest] = field(default_factory=list)
    gathered: list[GatherRequest] = field(default_factory=list)
    journaled: Usage | None = None
    counted: list[CountUsageRequest] = field(default_factory=list)
    deployed: list[str] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    @activity.defn(name=names.PREPARE)
    async def prepare(self, request: PrepareRequest) -> Page:
        self.prepared.append(request)
        if self.page:
            return self.page(request)
        name = request.task.name or ""
        if name in self.skipped:
            return Page(skipped="its condition is not met")
        if name not in self.items:
            return Page(branches=[Branch(index=0, prompt=name)])
        items = self.items[name]
        page = list(enumerate(items))[request.offset : request.offset + self.page_size]
        return Page(total=len(items), branches=[Branch(index=i, item=x, prompt=f"{name} {x}") for i, x in page])

    @activity.defn(name=names.GATHER)
    async def gather(self, request: GatherRequest) -> Value:
        self.gathered.append(request)
        if self.gather_fails:
            raise ApplicationError(self.gather_fails, type="StorageFailed", non_retryable=True)
        return Value(value="gathered")

    @activity.defn(name=names.RUN_AGENT)
    async def run_agent(self, request: AgentRequest) -> BranchResult:
        self.deployed.append(request.prompt)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            given = self.agent(request)
            return given if isinstance(given, BranchResult) else await given
        finally:
            self.running -= 1

    @activity.defn(name=names.COUNT_USAGE)
    async def count_usage(self, request: CountUsageRequest) -> Usage:
        self.counted.append(request)
        if self.journaled is None:
            raise ApplicationError("no journal", type="StorageFailed", non_retryable=True)
        return self.journaled

    @activity.defn(name=names.RUN_SHELL)
    async def run_shell(self, request: ShellRequest) -> BranchResult:
        self.deployed.append(request.script)
        return self.shell(request)


@dataclass
class FlowRunner:
    """Run tasks through the real workflow, with faked activities. `flow`: other fields of the bundle."""

    env: WorkflowEnvironment
    fakes: Fakes
    queue: str
    run_id: str = ""
    meaning: Meaning = MEANING
    memo: dict[str, Any] = field(default_factory=dict)
    config: ModelConfig = field(default_factory=ModelConfig)
    flow: dict[str, Any] = field(default_factory=dict)
    handle: WorkflowHandle[Any, RunReport] | None = None

    async def start(self, *tasks: Task) -> WorkflowHandle[Any, RunReport]:
        bundle = Bundle(
            name="flow",
            source="flow.yaml",
            tasks=list(tasks),
            personalities={"who": Personality()},
            meaning=self.meaning,
            hash="h",
            **{"config": self.config, **self.flow},
        )
        self.handle = await self.env.client.start_workflow(
            names.WORKFLOW,
            bundle,
            id=self.run_id or self.queue,
            task_queue=self.queue,
            result_type=RunReport,
            memo=self.memo,
        )
        return self.handle

    async def run_again(self, *tasks: Task) -> RunReport:
        """As run, under another id."""
        return await FlowRunner(self.env, self.fakes, self.queue, run_id=f"{self.queue}-again").run(*tasks)

    async def run(self, *tasks: Task) -> RunReport:
        """The report of the run, whether it failed or not."""
        handle = await self.start(*tasks)
        try:
            return await handle.result()
        except WorkflowFailureError as error:
            assert isinstance(error.cause, ApplicationError), error.cause
            return RunReport.model_validate(error.cause.details[0])


def ask(name: str, **fields: Any) -> Task:
    """An agent task."""
    return Task(name=name, agents=("who",), user_prompt="x", **fields)


@asynccontextmanager
async def _time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    path = str(Path(sysconfig.get_path("scripts")) / "temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=path, data_converter=pydantic_data_converter
    ) as env:
        yield env


@asynccontextmanager
async def flow_runner(env: WorkflowEnvironment) -> AsyncIterator[FlowRunner]:
    """A worker for the workflow, with faked activities."""
    fakes, queue = Fakes(), str(uuid.uuid4())
    async with Worker(
        env.client,
        task_queue=queue,
        workflows=[TaskflowWorkflow],
        activities=[fakes.prepare, fakes.run_agent, fakes.run_shell, fakes.gather, fakes.count_usage],
        workflow_runner=workflow_runner(),
    ):
        yield FlowRunner(env, fakes, queue)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    async with _time_skipping() as env:
        yield env


@pytest_asyncio.fixture(loop_scope="session")
async def runner(environment: WorkflowEnvironment) -> AsyncIterator[FlowRunner]:
    async with flow_runner(environment) as runner:
        yield runner


@pytest_asyncio.fixture(loop_scope="session")
async def lone_runner() -> AsyncIterator[FlowRunner]:
    """On a server of its own: once it has cancelled an activity, the test server skips no more time."""
    async with _time_skipping() as env, flow_runner(env) as runner:
        yield runner
