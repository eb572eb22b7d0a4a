"""One task of a run, from its start to what it publishes."""

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import product

from temporalio import workflow
from temporalio.exceptions import ActivityError

from grammar.documents.models import Task
from grammar.documents.values import ToolResult, Value
from grammar.messages import fan_out
from grammar.messages.activity_requests import AgentRequest, GatherRequest, PrepareRequest
from grammar.messages.activity_results import Branch, Page
from grammar.messages.continue_as_new import FinishedBranch
from grammar.messages.reports import BUDGET_REACHED, Decision, Failure
from workflows import deployment, failures, worker_log
from workflows.allowances import BudgetUsedUp
from workflows.brakes import Brakes
from workflows.failures import BranchFailed, RunFailed
from workflows.legs import Legs
from workflows.records import task_report
from workflows.records.approvals import StillWaiting
from workflows.run_context import RunContext
from workflows.window import Job, Slots, sliding_window


class TaskRun:
    """Run the task of that index. `source`: what it repeats over, where it began in an earlier history."""

    def __init__(self, context: RunContext, index: int, task: Task, source: ToolResult | None) -> None:
        self._context = context
        self._index = index
        self._task = task
        self._record = context.record.tasks[index]
        self._brakes = Brakes(context, self._record, index)
        self._source = source

    async def run(self) -> None:
        """Run the task to its end. Raises RunFailed where the run ends with it, ContinueAsNewError where it goes on."""
        await self._context.wait_until_unpaused()
        if self._record.started is None:
            self._source = self._context.carry_over.top
            self._record.start()
            self._say("started")
        self._context.publish_overview()
        await self._run_remaining()
        while failure := failures.blocking(self._record, self._brakes.on_budget):
            decision = await self._decision(failure)
            if decision.action == "abort":
                await self._publish_failed()
                self._record.close()
                raise RunFailed(failure)
            if decision.action not in ("retry", "raise_budget"):
                await self._apply(decision)
                break
            self._record.reopen(BUDGET_REACHED if decision.action == "raise_budget" else "")
            self._context.cooldowns.clear()
            await self._run_remaining()
        self._record.close()
        self._say(self._record.status)
        self._record.forget_results()
        self._context.publish_overview()

    def _say(self, what: str) -> None:
        count = f", {self._record.done}/{self._record.total} branches" if self._record.total > 1 else ""
        worker_log.say(f"task {self._index + 1}/{len(self._context.bundle.tasks)} {self._record.name} {what}{count}")

    async def _decision(self, failure: Failure) -> Decision:
        """Return what becomes of a task that the run cannot go on after. Where nobody is asked, that is `abort`."""
        if not (failures.parks(self._task, failure, self._brakes.on_budget) and workflow.patched("parking")):
            return Decision(action="abort")
        self._context.record.park(self._record, failure)
        self._say(f"parked: {failure.type}")
        self._context.publish_overview()
        decision = await self._context.record.parking.wait_for_decision()
        self._record.status = "running"
        self._context.publish_overview()
        return decision

    async def _apply(self, decision: Decision) -> None:
        """Go on without what failed, or with a person's value in its place."""
        if decision.action == "skip":
            self._record.set_outcome("failed", "skipped by a person")
            await self._publish_failed()
            return
        self._record.set_outcome("done", "set by a person")
        value = decision.value
        result = ToolResult(tool_name="set_output", text=json.dumps(value), structured=value)
        self._context.carry_over.push(self._index, [result])
        if self._task.id:
            self._context.record.outputs.publish(self._task.id, Value(value=value))

    async def _run_remaining(self) -> None:
        """Run the branches that have no result yet, and publish what there is once all have one or have failed."""
        try:
            page = await self._page(self._record.next_item() or 0)
            if page.skipped:
                self._record.skip(page.skipped)
            else:
                await self._run_branches(page)
        except ActivityError as error:
            self._record.task_failures.append(failures.of_activity(self._record.name, None, error))

    async def _run_branches(self, page: Page) -> None:
        record = self._record
        if self._source is not None and self._task.repeat_prompt and self._task.over is None and not record.took_source:
            self._context.carry_over.take(self._index)
            record.took_source = True
        record.set_items(page.total)
        if page.total == 0:
            record.note = "nothing to do: no items"
        await sliding_window(self._jobs(page), self._task.concurrency)
        while self._brakes.settle():
            await sliding_window(self._jobs(page), self._task.concurrency)
        # Earlier versions published here what was reopened and had no result yet.
        if record.has_remaining or (record.has_reopened and workflow.patched("reopened-left-over")):
            self._context.continue_as_new_if_due(self._index, self._source)
        if failures.blocking(record, self._brakes.on_budget) is None:
            await self._publish()

    async def _jobs(self, page: Page) -> AsyncIterator[Job]:
        """Yield the branches that are to run, in item-then-model order, a page at a time, while another may start."""
        record = self._record
        while True:
            for branch in _branches(page, record.models):
                if record.has_ended(branch.index):
                    continue
                await self._context.wait_until_unpaused()
                if record.stopped or workflow.info().is_continue_as_new_suggested():
                    return
                if not await self._brakes.release():
                    return
                yield partial(self._run_branch, branch)
            item = record.next_item(page.branches[-1].index + 1 if page.branches else 0)
            if page.total is None or item is None:
                return
            page = await self._page(item)

    async def _page(self, item: int) -> Page:
        """Prepare the page of branches that has the item, or begins with it."""
        stored = self._record.page_of(item)
        request = PrepareRequest(
            task=self._task,
            surroundings=self._context.template_context(self._task),
            secrets=sorted(self._context.secrets),
            offset=stored.first if stored else item,
            page=stored.stored if stored else None,
        )
        if stored is None:
            outputs = self._context.record.outputs
            values = {"outputs": outputs.values, "stored": outputs.stored, "result": self._source}
            request = request.model_copy(update=values | {"prompts": self._context.bundle.prompts})
        page = await deployment.prepare(request)
        self._context.secrets.update(page.secrets)
        self._record.pages = page.pages or self._record.pages
        return page

    async def _run_branch(self, branch: Branch, slots: Slots) -> None:
        """Run one branch to its end, and record it. One that still waits for a person is for a new history."""
        branch_record = self._record.start_branch(branch)
        legs = Legs(self._context, self._record, branch_record)
        context, secrets = self._context.template_context(self._task), sorted(self._context.secrets)
        request = deployment.branch_request(self._task, self._index, branch, self._context.bundle, context, secrets)
        request = request.model_copy(update={"folder": self._context.folder})
        if isinstance(request, AgentRequest):
            request = request.model_copy(update={"journal": branch_record.journal})
        try:
            result = await legs.run(request, slots)
        except ActivityError as error:
            failure = failures.of_activity(self._record.name, branch.index, error)
            self._record.fail_branch(branch_record, failure, failures.details(error))
        except BranchFailed as failed:
            self._record.fail_branch(branch_record, failed.failure)
        except BudgetUsedUp as used_up:
            self._brakes.leave_off(branch_record, used_up.of)
        except StillWaiting:
            return
        else:
            self._record.finish_branch(branch_record, result)
        self._brakes.after_failure(branch_record)
        self._context.publish_overview()

    async def _publish(self) -> None:
        """Push results in item order, and set the value under `outputs` (specification section 5)."""
        finished = self._record.results
        if self._record.models == 1:
            results = (result for branch in finished for result in _tool_results(branch))
            self._context.carry_over.push(self._index, results)
        if self._task.id is None:
            return
        outputs = self._context.record.outputs
        if self._task.fans_out:
            outputs.publish(self._task.id, await self._gathered())
        elif finished:
            outputs.publish(self._task.id, Value(value=finished[0].value, stored=finished[0].stored))

    async def _publish_failed(self) -> None:
        """Publish what there is of a task that the run does not wait for any more. A failure of that is a warning."""
        try:
            await self._publish()
        except ActivityError as error:
            message = failures.of_activity(self._record.name, None, error).message
            self._record.warnings.append(f"its results could not be published: {message}")

    async def _gathered(self) -> Value:
        """Return the list of a fan-out: put together here, or by an activity where any of it is stored."""
        pages, items = self._record.pages, task_report.items(self._record)
        branches = task_report.gathered_branches(self._record)
        meaning = self._context.bundle.meaning
        if pages or any(branch.result.stored for branch in branches):
            request = GatherRequest(branches=branches, pages=pages, items={} if pages else items, meaning=meaning)
            return await deployment.gather(self._task, request)
        return Value(
            value=[fan_out.entry(branch, items[branch.item], branch.result.value, meaning) for branch in branches]
        )


def _branches(page: Page, models: int) -> Iterator[Branch]:
    """Return the page's branches, one for each of its items and models."""
    for item, choice in product(page.branches, range(models)):
        yield item.model_copy(update={"index": item.index * models + choice, "choice": choice})


def _tool_results(branch: FinishedBranch) -> list[ToolResult]:
    """Return what the branch's tools gave, or where in payload storage each of it is."""
    if branch.stored is None:
        return branch.tool_results
    return [ToolResult(tool_name="", stored=branch.stored, position=position) for position in range(branch.results)]
