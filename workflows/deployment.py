"""The activities of a task: what each is asked, and how Temporal retries it (specification section 8).

A deployment is one activity that runs a branch, or its next leg. The others prepare a task, gather its results, and
count what was used.
"""

from datetime import timedelta
from typing import TypedDict

from temporalio import workflow
from temporalio.common import RetryPolicy

from grammar.documents import rules
from grammar.documents.models import Retry, Task
from grammar.documents.references import distinct_names
from grammar.documents.rules import BranchScript
from grammar.documents.values import Value
from grammar.messages import names
from grammar.messages.activity_requests import (
    KEPT_OF_BRANCH,
    KEPT_OF_TASK,
    AgentRequest,
    AgentSpec,
    CountUsageRequest,
    GatherRequest,
    PrepareRequest,
    ShellRequest,
    TemplateContext,
)
from grammar.messages.activity_results import Branch, BranchResult, Page, Usage
from grammar.messages.names import activity_id
from grammar.messages.run_bundle import Bundle
from grammar.model_access import model_choice

AGENT_ATTEMPTS = 5
SHELL_ATTEMPTS = 1
PREPARE_TIMEOUT = timedelta(minutes=2)
# Large values take their time, to be read and to be written.
LARGE_TIMEOUT = timedelta(minutes=30)


def retry_policy(task: Task) -> RetryPolicy:
    """Return the task's `retry` as Temporal takes it. A shell task is retried only where the file says how often."""
    retry = task.retry or Retry()
    default = AGENT_ATTEMPTS if task.run is None else SHELL_ATTEMPTS
    return RetryPolicy(
        maximum_attempts=retry.maximum_attempts or default,
        initial_interval=timedelta(seconds=retry.initial_interval),
        backoff_coefficient=retry.backoff_coefficient,
        maximum_interval=timedelta(seconds=retry.maximum_interval),
        # The SDK's own: what does not fit into the history would not fit the next time either.
        non_retryable_error_types=["PayloadsTooLarge", *retry.non_retryable_error_types],
    )


def pause(task: Task, attempts: int) -> float:
    """Return the seconds that the task's `retry` has between that many attempts and the next one."""
    retry = task.retry or Retry()
    return min(retry.initial_interval * retry.backoff_coefficient ** min(attempts - 1, 100), retry.maximum_interval)


_QUICK = RetryPolicy(maximum_attempts=AGENT_ATTEMPTS, non_retryable_error_types=["PayloadsTooLarge"])


class Timeouts(TypedDict):
    """Temporal's timeouts of an activity, under the SDK's names."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta


def timeouts(task: Task, left: timedelta) -> Timeouts:
    """Return the task's timeouts, as the SDK takes them. `left`: the time until the branch's deadline."""
    return {
        "start_to_close_timeout": timedelta(seconds=task.start_to_close_timeout),
        "schedule_to_close_timeout": max(left, timedelta(seconds=1)),
        "heartbeat_timeout": timedelta(seconds=task.heartbeat_timeout),
    }


async def prepare(request: PrepareRequest) -> Page:
    """Return a page of the task's branches, from item `offset` on. Raises ActivityError."""
    large = request.stored or (request.result and request.result.stored)
    page: Page = await workflow.execute_activity(
        names.PREPARE,
        request,
        result_type=Page,
        start_to_close_timeout=LARGE_TIMEOUT if large else PREPARE_TIMEOUT,
        heartbeat_timeout=timedelta(seconds=request.task.heartbeat_timeout),
        retry_policy=_QUICK,
        summary=f"prepare {request.task.name}" + (f", from item {request.offset + 1}" if request.offset else ""),
    )
    return page


async def gather(task: Task, request: GatherRequest) -> Value:
    """Return the list that a task that fans out publishes. Raises ActivityError."""
    value: Value = await workflow.execute_activity(
        names.GATHER,
        request,
        result_type=Value,
        start_to_close_timeout=LARGE_TIMEOUT,
        heartbeat_timeout=timedelta(seconds=task.heartbeat_timeout),
        retry_policy=_QUICK,
        summary=f"gather {task.name}"[:200],
    )
    return value


async def count_usage(task: Task, request: CountUsageRequest) -> Usage:
    """Return what an agent run has used, by its journal. Raises ActivityError."""
    usage: Usage = await workflow.execute_activity(
        names.COUNT_USAGE,
        request,
        result_type=Usage,
        start_to_close_timeout=PREPARE_TIMEOUT,
        retry_policy=_QUICK,
        summary=f"count what {task.name} used"[:200],
    )
    return usage


async def deploy(
    task: Task, request: AgentRequest | ShellRequest, activity: str, summary: str, left: timedelta
) -> BranchResult:
    """Run one branch of the task, or its next leg. Raises ActivityError.

    `activity`: its id. `summary`: its line in the Web UI. `left`: the time until the branch's deadline.
    """
    name = names.RUN_SHELL if isinstance(request, ShellRequest) else names.RUN_AGENT
    result: BranchResult = await workflow.execute_activity(
        name,
        request,
        activity_id=activity,
        result_type=BranchResult,
        retry_policy=retry_policy(task),
        summary=summary,
        # The run is not over before what it started is.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        **timeouts(task, left),
    )
    return result


def branch_request(
    task: Task, index: int, branch: Branch, bundle: Bundle, context: TemplateContext, secrets: list[str]
) -> AgentRequest | ShellRequest:
    """Return what the activity of a branch's first leg is asked. `index`: that of the task."""
    rehearsal = _rehearsal(task, index, branch, bundle)
    kept = KEPT_OF_BRANCH if task.fans_out else KEPT_OF_TASK
    if task.run is not None:
        return ShellRequest(
            script=task.run,
            withheld=bundle.tokens,
            outputs=task.outputs,
            rehearsal=rehearsal,
            surroundings=context,
            secrets=secrets,
            kept=kept,
            sandbox=task.sandbox,
        )
    return AgentRequest(
        task=activity_id(index, None),
        fans_out=task.fans_out,
        prompt=branch.prompt,
        agents=[
            AgentSpec(name=name, personality=bundle.personalities[reference])
            for name, reference in zip(distinct_names(task.agents), task.agents, strict=True)
        ],
        toolboxes=bundle.toolboxes_of(task) if rehearsal is None or rehearsal.needs_toolboxes else {},
        model=model_choice.choose(task, bundle.config, branch.choice),
        max_turns=task.turns,
        blocked_tools=list(task.blocked_tools),
        headless=task.headless,
        exclude_from_context=task.exclude_from_context,
        capture=task.capture,
        outputs=task.outputs,
        outputs_retries=task.outputs_retries,
        rehearsal=rehearsal,
        surroundings=context,
        secrets=secrets,
        kept=kept,
        sandbox=task.sandbox,
    )


def with_model(
    request: AgentRequest, task: Task, index: int, branch: Branch, bundle: Bundle, number: int
) -> AgentRequest:
    """Return the request to the branch's model of that number, from 0: those after the first are its fallbacks."""
    names = [name or "" for name in model_choice.names(task, bundle.config, branch.choice)]
    model = model_choice.choose(task, bundle.config, branch.choice, number)
    rehearsal = _rehearsal(task, index, branch, bundle, number)
    changes = {"model": model, "model_number": number, "models": names, "rehearsal": rehearsal}
    return request.model_copy(update=changes)


def _rehearsal(task: Task, index: int, branch: Branch, bundle: Bundle, number: int = 0) -> BranchScript | None:
    """Return what answers for the branch in a dry run; None in a real one. `number`: as above."""
    if bundle.script is None:
        return None
    named = model_choice.names(task, bundle.config, branch.choice)[number]
    models = (named, model_choice.choose(task, bundle.config, branch.choice, number).name)
    return rules.branch_script(bundle.script, task, index, branch.index // len(task.choices), models)
