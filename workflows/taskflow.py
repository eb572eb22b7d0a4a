"""A taskflow as a Temporal workflow: tasks in order, each deployed as activities."""

from collections.abc import AsyncIterator
from functools import partial

from pydantic import JsonValue
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from grammar.contracts import (
    WORKFLOW,
    Branch,
    Bundle,
    Journal,
    Manifest,
    Page,
    RunReport,
    Surroundings,
)
from grammar.models import Task
from grammar.values import ToolResult
from workflows import deployment, failures, summary
from workflows.failures import RunEnded
from workflows.record import Record, TaskRecord
from workflows.window import Job, sliding_window


@workflow.defn(name=WORKFLOW)
class TaskflowWorkflow:
    """One run of a bundle. Completes with a RunReport, or fails with one in the error's details."""

    @workflow.init
    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._record = Record(bundle, workflow.now)
        self._stack: list[ToolResult] = []
        self._outputs: dict[str, JsonValue] = {}
        self._secrets: set[str] = set()
        self._key = workflow.uuid4().hex[:12]

    @workflow.run
    async def run(self, bundle: Bundle) -> RunReport:
        """Walk the tasks. A failed optional task does not stop the run; see GRAMMAR.md section 7."""
        try:
            for index, task in enumerate(bundle.tasks):
                await self._run_task(index, task)
        except RunEnded as ended:
            report = self._record.end("failed", self._outputs, ended.failure)
            self._tell()
            raise ApplicationError(ended.failure.message, report, type=ended.failure.type, non_retryable=True) from None
        except BaseException:
            self._record.cancel()
            raise
        report = self._record.end(self._record.verdict(), self._outputs)
        self._tell()
        return report

    @workflow.query
    def status(self) -> RunReport:
        """How the run stands."""
        return self._record.report(self._outputs)

    @workflow.query
    def manifest(self) -> Manifest:
        """Per task and branch: status, model, tokens, error."""
        return Manifest(report=self._record.report(self._outputs), branches=self._record.branches())

    @workflow.query
    def journal(self, after: int = 0) -> Journal:
        """What happened since, for a follower: entries numbered from `after` on."""
        return self._record.journal(after)

    async def _run_task(self, index: int, task: Task) -> None:
        record = self._record.start(index)
        self._tell()
        try:
            await self._deploy(index, task, record)
        except ActivityError as error:
            record.fail_whole(failures.understood(record.name, None, error))
        record.close()
        self._tell()
        failures.judge(task, record)

    async def _deploy(self, index: int, task: Task, record: TaskRecord) -> None:
        source = self._stack[-1] if self._stack else None
        first = await self._prepare(task, source, 0)
        if first.skipped:
            record.skip(first.skipped)
            return
        if task.repeat_prompt and task.over is None and self._stack:
            self._stack.pop()
        record.expect(first.total)
        if first.total == 0:
            record.note = "nothing to do: no items"
        jobs = self._jobs(index, task, record, first, source)
        await sliding_window(jobs, task.concurrency)
        self._publish(task, record)

    async def _jobs(
        self, index: int, task: Task, record: TaskRecord, page: Page, source: ToolResult | None
    ) -> AsyncIterator[Job]:
        """The branches in item order, fetched a page at a time, as long as another one may start."""
        while True:
            for branch in page.branches:
                if record.stopped:
                    return
                yield partial(self._run_branch, index, task, record, branch)
            done = page.branches[-1].index + 1 if page.branches else 0
            if page.total is None or done >= page.total:
                return
            page = await self._prepare(task, source, done)

    async def _run_branch(self, index: int, task: Task, record: TaskRecord, branch: Branch) -> None:
        record.begin(branch)
        try:
            deployed = await deployment.deploy(
                task,
                branch,
                self._bundle,
                self._surroundings(task),
                sorted(self._secrets),
                record.activity_id(branch),
                summary.of_branch(record.name, branch.index, record.total, task, self._bundle.config),
            )
        except ActivityError as error:
            record.fail(branch, failures.understood(record.name, branch.index, error))
        else:
            self._secrets.update(deployed.secrets)
            record.succeed(branch, deployed)
        self._tell()

    async def _prepare(self, task: Task, source: ToolResult | None, offset: int) -> Page:
        page = await deployment.prepare(
            task, source, offset, self._bundle, self._surroundings(task), self._outputs, sorted(self._secrets)
        )
        self._secrets.update(page.secrets)
        return page

    def _publish(self, task: Task, record: TaskRecord) -> None:
        """Put results on the stack in item order, and the value under `outputs` (GRAMMAR.md section 5)."""
        done = record.results()
        for _, deployed, _ in done:
            self._stack.extend(deployed.tool_results if deployed else [])
        if task.id is None:
            return
        if record.fans_out:
            self._outputs[task.id] = [
                {"model": record.model, "item": branch.item, "result": deployed.value if deployed else None}
                | ({"error": error} if error else {})
                for branch, deployed, error in done
            ]
        elif done and done[0][1]:
            self._outputs[task.id] = done[0][1].value

    def _surroundings(self, task: Task) -> Surroundings:
        return Surroundings(globals=self._bundle.globals, env=task.env, key=self._key)

    def _tell(self) -> None:
        workflow.set_current_details(summary.of_run(self._record))
