"""A taskflow as a Temporal workflow: tasks in order, each deployed as activities."""

import json
from collections.abc import AsyncIterator
from functools import partial
from itertools import product
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, TypedSearchAttributes
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ContinueAsNewError

from grammar.documents.models import Task
from grammar.documents.values import ToolResult, Value
from grammar.messages import fan_out
from grammar.messages.activity_requests import AgentRequest, GatherRequest, PrepareRequest, TemplateContext
from grammar.messages.activity_results import Branch, Page
from grammar.messages.continue_as_new import CarriedRun, FinishedBranch, RunInput
from grammar.messages.events import RunEvents
from grammar.messages.names import OVERVIEW_MEMO, STATUS_ATTRIBUTE, WORKFLOW
from grammar.messages.reports import Decision, Failure, Manifest, RunOverview, RunReport
from workflows import carry_over, deployment, failures, summary
from workflows.approvals import LeftWaiting
from workflows.carry_over import CarryOver
from workflows.failures import BranchFailed, RunEnded
from workflows.legs import Legs
from workflows.published import PublishedOutputs
from workflows.run_record import RunRecord
from workflows.steering import Steering
from workflows.task_record import TaskRecord
from workflows.window import Job, Slots, sliding_window

_STATUS = SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE)


@workflow.defn(name=WORKFLOW)
class TaskflowWorkflow(Steering):
    """One run of a bundle. Completes with a RunReport, or fails with one in the error's details."""

    @workflow.init
    def __init__(self, bundle: RunInput) -> None:
        carried = bundle.carried
        self._bundle = bundle.model_copy(update={"carried": None})
        self._record = RunRecord(bundle, workflow.now, carried)
        self._stack = CarryOver(carried.stack if carried else (), room=len(bundle.tasks) + carry_over.ROOM)
        self._outputs = PublishedOutputs(carried.outputs, carried.stored) if carried else PublishedOutputs()
        self._secrets = set(carried.secrets) if carried else set()
        self._shown = carried.standing if carried else RunOverview()
        self._key = carried.key if carried else workflow.uuid4().hex[:12]

    @workflow.run
    async def run(self, bundle: RunInput) -> RunReport:
        """Walk the tasks. A failed optional task does not stop the run; see specification section 7."""
        first, source = (bundle.carried.index, bundle.carried.source) if bundle.carried else (0, None)
        try:
            for index, task in list(enumerate(bundle.tasks))[first:]:
                self._continue_if_due(index)
                await self._run_task(index, task, source if self._record.tasks[index].begun else None)
        except RunEnded as ended:
            report = self._record.end("failed", self._outputs, ended.failure)
            self._tell()
            raise ApplicationError(ended.failure.message, report, type=ended.failure.type, non_retryable=True) from None
        except ContinueAsNewError:
            raise
        except BaseException:
            self._record.cancel()
            # Also the run's leaving the worker's memory ends its tasks; that is no news of it.
            if workflow.cancellation_reason() is not None and workflow.patched("cancelled-status"):
                self._tell()
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
    def journal(self, after: int = 0) -> RunEvents:
        """What happened since, for a follower: entries numbered from `after` on."""
        return self._record.journal(after)

    @workflow.query
    def given_before(self, task: int) -> CarriedRun:
        """What the tasks before that one (an index) gave: what a run of an edited file takes over."""
        outputs = self._outputs.of([one.id for one in self._bundle.tasks[:task] if one.id])
        return CarriedRun(
            index=task,
            tasks=[one.carried() for one in self._record.tasks[:task]],
            stack=self._stack.before(task),
            outputs=outputs.values,
            stored=outputs.stored,
            secrets=sorted(self._secrets),
            key=self._key,
        )

    async def _run_task(self, index: int, task: Task, source: ToolResult | None) -> None:
        await self._unpaused()
        if not self._record.tasks[index].begun:
            source = self._stack.top
        record = self._record.start(index)
        self._tell()
        await self._deploy(index, task, record, source)
        while failure := failures.ending(task, record):
            decision = await self._decision(task, record, failure)
            if decision.action == "abort":
                await self._publish_failed(index, task, record)
                record.close()
                raise RunEnded(failure)
            if decision.action != "retry":
                await self._settle(index, task, record, decision)
                break
            record.reopen()
            await self._deploy(index, task, record, source)
        record.close()
        record.forget_results()
        self._tell()

    async def _decision(self, task: Task, record: TaskRecord, failure: Failure) -> Decision:
        """What becomes of a task that the run cannot go on after."""
        if not (failures.parks(task, failure) and workflow.patched("parking")):
            return Decision(action="abort")
        self._record.park(record, failure)
        self._tell()
        decision = await self._record.parking.decided()
        record.status = "running"
        self._tell()
        return decision

    async def _settle(self, index: int, task: Task, record: TaskRecord, decision: Decision) -> None:
        """A person has the run go on without what failed, or with a value in its place."""
        if decision.action == "skip":
            record.settle("skipped by a person", "failed")
            await self._publish_failed(index, task, record)
            return
        record.settle("set by a person", "done")
        value = decision.value
        result = ToolResult(tool_name="set_output", text=json.dumps(value), structured=value)
        self._stack.push(index, [result])
        if task.id:
            self._outputs.publish(task.id, Value(value=value))

    async def _deploy(self, index: int, task: Task, record: TaskRecord, source: ToolResult | None) -> None:
        """Run the branches that have no result yet, and publish what there is once all have one or have failed."""
        try:
            await self._run_branches(index, task, record, source)
        except ActivityError as error:
            record.fail_whole(failures.understood(record.name, None, error))

    async def _run_branches(self, index: int, task: Task, record: TaskRecord, source: ToolResult | None) -> None:
        page = await self._page(task, record, source, record.following() or 0)
        if page.skipped:
            record.skip(page.skipped)
            return
        if source is not None and task.repeat_prompt and task.over is None and not record.took_source:
            self._stack.take(index)
            record.took_source = True
        record.expect(page.total)
        if page.total == 0:
            record.note = "nothing to do: no items"
        await sliding_window(self._branches(index, task, record, page, source), task.concurrency)
        # In runs of before, what was reopened here was published without a result.
        if record.left_over or (record.reopened and workflow.patched("reopened-left-over")):
            self._continue_if_due(index, source)
        if failures.ending(task, record) is None:
            await self._publish(index, task, record)

    async def _branches(
        self, index: int, task: Task, record: TaskRecord, page: Page, source: ToolResult | None
    ) -> AsyncIterator[Job]:
        """The branches that are to run, in item-then-model order, a page at a time, while another one may start."""
        models = len(task.choices)
        while True:
            for item, choice in product(page.branches, range(models)):
                number = item.index * models + choice
                if record.settled(number):
                    continue
                await self._unpaused()
                if record.stopped or workflow.info().is_continue_as_new_suggested():
                    return
                branch = item.model_copy(update={"index": number, "choice": choice})
                yield partial(self._run_branch, index, task, record, branch)
            following = record.following(page.branches[-1].index + 1 if page.branches else 0)
            if page.total is None or following is None:
                return
            page = await self._page(task, record, source, following)

    def _continue_if_due(self, index: int, source: ToolResult | None = None) -> None:
        """Go on in a new history where this one has grown long. Raises ContinueAsNewError."""
        if not workflow.info().is_continue_as_new_suggested():
            return
        tasks, entries, count = self._record.carried()
        carried = CarriedRun(
            index=index,
            tasks=tasks,
            source=source,
            stack=self._stack.moves,
            outputs=self._outputs.values,
            stored=self._outputs.stored,
            secrets=sorted(self._secrets),
            key=self._key,
            entries=entries,
            count=count,
            paused=self._record.paused,
            granted=sorted(self._record.approvals.granted),
            standing=self._shown,
        )
        workflow.continue_as_new(self._bundle.model_copy(update={"carried": carried}))

    async def _run_branch(self, index: int, task: Task, record: TaskRecord, branch: Branch, places: Slots) -> None:
        record.begin(branch)
        legs = Legs(task, branch, record, self._record.approvals, self._secrets, self._tell)
        request = deployment.request(task, index, branch, self._bundle, self._surroundings(task), sorted(self._secrets))
        if isinstance(request, AgentRequest):
            request = request.model_copy(update={"journal": record.journal(branch)})
        describe = partial(summary.of_branch, record.name, branch, record.items, task, self._bundle.config)
        try:
            deployed = await legs.run(request, places, describe)
        except ActivityError as error:
            record.fail(branch, failures.understood(record.name, branch.index, error), failures.lost(error))
        except BranchFailed as failed:
            record.fail(branch, failed.failure)
        except LeftWaiting:
            return
        else:
            record.succeed(branch, deployed)
        self._tell()

    async def _unpaused(self) -> None:
        if self._record.paused:
            self._tell()
            await workflow.wait_condition(lambda: not self._record.paused)
            self._tell()

    async def _page(self, task: Task, record: TaskRecord, source: ToolResult | None, item: int) -> Page:
        """The page of branches that has the item, or begins with it."""
        stored = record.page_of(item)
        asked = PrepareRequest(
            task=task,
            surroundings=self._surroundings(task),
            secrets=sorted(self._secrets),
            offset=stored.first if stored else item,
            page=stored.stored if stored else None,
        )
        if stored is None:
            given = {"outputs": self._outputs.values, "stored": self._outputs.stored, "result": source}
            asked = asked.model_copy(update=given | {"prompts": self._bundle.prompts})
        page = await deployment.prepare(asked)
        self._secrets.update(page.secrets)
        record.pages = page.pages or record.pages
        return page

    async def _publish(self, index: int, task: Task, record: TaskRecord) -> None:
        """Put results on the stack in item order, and the value under `outputs` (specification section 5)."""
        done = record.results()
        if len(task.choices) == 1:
            self._stack.push(index, (result for one in done for result in _tool_results(one)))
        if task.id is None:
            return
        if task.fans_out:
            self._outputs.publish(task.id, await self._gathered(task, record))
        elif done:
            self._outputs.publish(task.id, Value(value=done[0].value, stored=done[0].stored))

    async def _publish_failed(self, index: int, task: Task, record: TaskRecord) -> None:
        """Publish what there is of a task that the run does not wait for any more."""
        try:
            await self._publish(index, task, record)
        except ActivityError as error:
            record.warnings.append(
                f"its results could not be published: {failures.understood(record.name, None, error).message}"
            )

    async def _gathered(self, task: Task, record: TaskRecord) -> Value:
        """The list of a fan-out: put together here, or, where any of it is stored, by an activity."""
        branches, items = record.published(), record.items_of_branches()
        if record.pages or any(one.result.stored for one in branches):
            here = {} if record.pages else items
            return await deployment.gather(task, GatherRequest(branches=branches, pages=record.pages, items=here))
        return Value(value=[fan_out.entry(one, items[one.item], one.result.value) for one in branches])

    def _surroundings(self, task: Task) -> TemplateContext:
        return TemplateContext(globals=self._bundle.globals, env=task.env, key=self._key)

    def _tell(self) -> None:
        workflow.set_current_details(summary.of_run(self._record))
        standing = self._record.standing()
        if standing == self._shown:
            return
        # Both only where the starter set them: what a namespace does not know would fail the workflow task.
        if workflow.memo_value(OVERVIEW_MEMO, None) is not None:
            workflow.upsert_memo({OVERVIEW_MEMO: standing})
        if standing.state != self._shown.state and _STATUS in _keys(workflow.info().typed_search_attributes):
            workflow.upsert_search_attributes([_STATUS.value_set(standing.state)])
        self._shown = standing


def _keys(attributes: TypedSearchAttributes) -> set[SearchAttributeKey[Any]]:
    return {pair.key for pair in attributes}


def _tool_results(done: FinishedBranch) -> list[ToolResult]:
    """What the branch's tools gave, or where it is."""
    if done.stored is None:
        return done.tool_results
    return [ToolResult(tool_name="", stored=done.stored, position=one) for one in range(done.results)]
