"""A taskflow as a Temporal workflow: tasks in order, each deployed as activities."""

from collections.abc import AsyncIterator
from functools import partial
from itertools import product

from pydantic import JsonValue
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from grammar.contracts import (
    WORKFLOW,
    Branch,
    Bundle,
    Deployed,
    Journal,
    Leg,
    Manifest,
    Page,
    Rejection,
    RunReport,
    Surroundings,
    Verdict,
)
from grammar.models import Task
from grammar.values import ToolResult
from workflows import deployment, failures, summary
from workflows.failures import RunEnded
from workflows.record import Record, TaskRecord
from workflows.window import Job, Places, sliding_window


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

    @workflow.signal
    def approve(self, call: str) -> None:
        """Let the agent make the call of that id. An id that is not open is ignored: it may have been decided."""
        self._record.approvals.decide(Verdict(id=call, approved=True))

    @workflow.signal
    def reject(self, call: str | Rejection) -> None:
        """Refuse the call of that id; with a map of `id` and `reason`, tell the agent why."""
        self._record.approvals.decide(_no(call))

    @workflow.update(name="approve")
    def approve_now(self, call: str) -> None:
        """As the signal; refused where no such call is open."""
        self._record.approvals.decide(Verdict(id=call, approved=True))

    @approve_now.validator
    def _check_approve(self, call: str) -> None:
        self._record.approvals.check(call)

    @workflow.update(name="reject")
    def reject_now(self, call: str | Rejection) -> None:
        """As the signal; refused where no such call is open."""
        self._record.approvals.decide(_no(call))

    @reject_now.validator
    def _check_reject(self, call: str | Rejection) -> None:
        self._record.approvals.check(_no(call).id)

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
        jobs = self._branches(index, task, record, first, source)
        await sliding_window(jobs, task.concurrency)
        self._publish(task, record)

    async def _branches(
        self, index: int, task: Task, record: TaskRecord, page: Page, source: ToolResult | None
    ) -> AsyncIterator[Job]:
        """The branches in item-then-model order, fetched a page at a time, as long as another one may start."""
        models = len(task.choices)
        while True:
            for item, choice in product(page.branches, range(models)):
                if record.stopped:
                    return
                branch = item.model_copy(update={"index": item.index * models + choice, "choice": choice})
                yield partial(self._run_branch, index, task, record, branch)
            done = page.branches[-1].index + 1 if page.branches else 0
            if page.total is None or done >= page.total:
                return
            page = await self._prepare(task, source, done)

    async def _run_branch(self, index: int, task: Task, record: TaskRecord, branch: Branch, places: Places) -> None:
        record.begin(branch)
        try:
            deployed = await self._legs(index, task, record, branch, places)
        except ActivityError as error:
            record.fail(branch, failures.understood(record.name, branch.index, error))
        else:
            record.succeed(branch, deployed)
        self._tell()

    async def _legs(self, index: int, task: Task, record: TaskRecord, branch: Branch, places: Places) -> Deployed:
        """Deploy the branch; where it waits for a person, go on with what was said, until it has its result."""
        request = deployment.request(task, index, branch, self._bundle, self._surroundings(task), sorted(self._secrets))
        leg = 1
        while True:
            line = summary.of_branch(record.name, branch, record.items, task, self._bundle.config, leg)
            deployed = await deployment.deploy(task, request, record.activity_id(branch, leg), line)
            self._secrets.update(deployed.secrets)
            if deployed.leg is None:
                return deployed
            leg = record.wait(branch, deployed)
            async with places.left():
                verdicts = await self._ask(deployed.leg, record, branch)
            record.go_on(branch)
            request = request.model_copy(
                update={"leg": deployed.leg, "verdicts": verdicts, "secrets": sorted(self._secrets)}
            )

    async def _ask(self, leg: Leg, record: TaskRecord, branch: Branch) -> list[Verdict]:
        self._tell()
        verdicts = await self._record.approvals.wait(leg, record.activity_id(branch), record.name, record.label(branch))
        self._tell()
        return verdicts

    async def _prepare(self, task: Task, source: ToolResult | None, offset: int) -> Page:
        page = await deployment.prepare(
            task, source, offset, self._bundle, self._surroundings(task), self._outputs, sorted(self._secrets)
        )
        self._secrets.update(page.secrets)
        return page

    def _publish(self, task: Task, record: TaskRecord) -> None:
        """Put results on the stack in item order, and the value under `outputs` (GRAMMAR.md section 5)."""
        done = record.results()
        for _, deployed, _ in done if len(task.choices) == 1 else ():
            self._stack.extend(deployed.tool_results if deployed else [])
        if task.id is None:
            return
        if task.fans_out:
            self._outputs[task.id] = [
                {
                    "model": _model(task, branch) or (deployed.model if deployed else record.model),
                    "item": branch.item,
                    "result": deployed.value if deployed else None,
                }
                | ({"error": error} if error else {})
                for branch, deployed, error in done
            ]
        elif done and done[0][1]:
            self._outputs[task.id] = done[0][1].value

    def _surroundings(self, task: Task) -> Surroundings:
        return Surroundings(globals=self._bundle.globals, env=task.env, key=self._key)

    def _tell(self) -> None:
        workflow.set_current_details(summary.of_run(self._record))


def _no(call: str | Rejection) -> Verdict:
    given = Rejection(id=call) if isinstance(call, str) else call
    return Verdict(id=given.id, approved=False, reason=given.reason)


def _model(task: Task, branch: Branch) -> str:
    """The branch's model as the file names it."""
    choice = task.choices[branch.choice]
    return (choice.model if choice else task.model) or ""
