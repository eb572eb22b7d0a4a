"""Record the histories that test_replay.py replays: `make replay`.

Each case runs on a real dev server with the real worker and a scripted endpoint. An existing history is kept: it
stands for runs of an earlier version. To record a case anew on purpose, remove its file first.
"""

import asyncio
import json
import os
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

import worker
from activities.endpoint_limits.limiter_client import LimiterClient, limiter_id
from grammar.documents.model_reach import EndpointLimits
from grammar.loading.bundle import LoadOptions, load
from grammar.messages.limiter import ShareRequest
from grammar.messages.names import TASK_QUEUE, limiter_queue
from runtime.backend import Backend
from runtime.exit import leave
from runtime.runs import runs, standing
from runtime.storage.converter import data_converter
from runtime.storage.document_files import FileDocuments
from runtime.storage.stored_documents import StoredDocuments
from tests.replay import places
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint
from tests.support.waiting import until_async

HISTORIES = Path(__file__).parent / "histories"
EXAMPLES = Path(__file__).parents[2] / "taskflows/examples"

MACHINE = ("identity", "stackTrace", "binaryChecksum")

PARKED = """
taskflow:
  - task: {run: "echo '[1, 2]'"}
  - task:
      id: each
      must_complete: true
      repeat_prompt: true
      agents: [taskflows.personalities.assistant]
      user_prompt: "breaks DECISION {{ result }}"
  - task: {run: echo after}
"""
DECISIONS = ("retry", "skip", "set_output", "abort")
FLOWS = {
    "optional_failure": """
taskflow:
  - task: {agents: [taskflows.personalities.assistant], user_prompt: broken}
  - task: {run: echo after}
""",
    "required_failure": """
taskflow:
  - task: {must_complete: true, agents: [taskflows.personalities.assistant], user_prompt: broken}
  - task: {run: echo never}
""",
    "retry": """
taskflow:
  - task:
      retry: {initial_interval: 100ms}
      agents: [taskflows.personalities.assistant]
      user_prompt: flaky
""",
    "skipped_and_empty": """
taskflow:
  - task: {id: gone, if: "1 == 2", run: echo never}
  - task: {over: "[]", run: echo never}
""",
    "pages": """
taskflow:
  - task: {id: items, run: "python3 -c 'print(list(range(205)))'"}
  - task: {over: outputs.items, async: true, async_limit: 50, run: "true"}
""",
    "renewed": """
taskflow:
  - task: {id: items, run: "python3 -c 'print(list(range(60)))'"}
  - task: {over: outputs.items, async: true, run: "true"}
""",
    "renewed_waiting": """
taskflow:
  - task: {id: items, run: "python3 -c 'print(list(range(60)))'"}
  - task:
      over: outputs.items
      async: true
      agents: [taskflows.personalities.assistant]
      toolboxes: [./careful.yaml]
      user_prompt: "{{ 'call echo_tool' if result == 0 else result }}"
""",
    "stored": """
taskflow:
  - task: {id: items, run: "python3 -c 'import json; print(json.dumps([200 * chr(120)] * 205))'"}
  - task: {id: each, over: outputs.items, async: true, async_limit: 50, run: "echo 1"}
  - task: {over: "outputs.each[:1]", run: "true"}
""",
    "call_cancel_ended": """
taskflow:
  - task: {id: items, run: "echo '[0, 1]'"}
  - task:
      over: outputs.items
      agents: [taskflows.personalities.assistant]
      toolboxes: [./careful.yaml]
      user_prompt: "{{ 'for long' if result else 'call echo_tool' }}"
""",
    "budget_raised": """
budget: {requests: 3}
taskflow:
  - task:
      over: "[0, 1]"
      agents: [taskflows.personalities.assistant]
      toolboxes: [./careful.yaml]
      headless: true
      user_prompt: call echo_tool {{ result }}
""",
    "budget_finished": """
budget: {requests: 1}
on_budget: finish
taskflow:
  - task: {over: "[0, 1]", agents: [taskflows.personalities.assistant], user_prompt: "{{ result }}"}
  - task: {run: echo after}
""",
    "stopped_alike": """
taskflow:
  - task: {over: "range(6)", agents: [taskflows.personalities.assistant], user_prompt: broken}
""",
    "confirmed": """
confirm_over: {items: 1}
taskflow:
  - task: {over: "[0, 1]", agents: [taskflows.personalities.assistant], user_prompt: "{{ result }}"}
""",
    "rate_limited": """
taskflow:
  - task: {agents: [taskflows.personalities.assistant], user_prompt: limited}
""",
    "fallback": """
taskflow:
  - task: {id: items, run: "echo '[1, 2]'"}
  - task:
      over: outputs.items
      agents: [taskflows.personalities.assistant]
      fallback: [gpt-4.1-mini, gpt-4.1-nano]
      fallback_after: 1s
      user_prompt: falls back
""",
    **{f"parked_{decision}": PARKED.replace("DECISION", decision) for decision in DECISIONS},
    **{
        f"call_{answer}": """
taskflow:
  - task:
      agents: [taskflows.personalities.assistant]
      toolboxes: [./careful.yaml]
      user_prompt: call echo_tool
"""
        for answer in ("approve", "approve_always", "reject", "cancel", "cancel_told", "pause")
    },
}
CAREFUL = "server_params: {kind: stdio, command: taskflow-toolbox, args: [echo]}\nconfirm: [echo_tool]\n"
CANCEL = "cancel"
# What the run waits for, and what a person says then: a signal, or to cancel.
STEERED: dict[str, tuple[str, str, list[Any]]] = {
    "parked_retry": ("parked", "retry", []),
    "parked_skip": ("parked", "skip", []),
    "parked_set_output": ("parked", "set_output", [[7]]),
    "parked_abort": ("parked", "abort", []),
    "budget_raised": ("parked", "raise_budget", [{"requests": 3}]),
    "stopped_alike": ("parked", "skip", []),
    "confirmed": ("waiting_approval", "approve", ["task-1-call-1"]),
    "call_approve": ("waiting_approval", "approve", ["task-1-call-1"]),
    "call_approve_always": ("waiting_approval", "approve_always", ["task-1-call-1"]),
    "call_cancel": ("waiting_approval", CANCEL, []),
    "call_cancel_told": ("waiting_approval", CANCEL, []),
    "call_cancel_ended": ("waiting_approval", CANCEL, []),
    "call_pause": ("waiting_approval", "pause", []),
    "renewed_waiting": ("waiting_approval", "approve", ["task-2-item-1-call-1"]),
    "call_reject": ("waiting_approval", "reject", [{"id": "task-1-call-1", "reason": "no"}]),
}
# What is said after that.
THEN: dict[str, list[tuple[str, list[Any]]]] = {"call_pause": [("unpause", []), ("approve", ["task-1-call-1"])]}
LIMITER_CASE = "limiter"
LONG = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=120"]

RULES = [
    Reply(when=Match(prompt="falls back", model="gpt-4.1"), status=429, code="insufficient_quota", message="no money"),
    Reply(when=Match(prompt="falls back", model="gpt-4.1-mini"), status=503, message="down"),
    Reply(when=Match(prompt="broken"), status=400, message="broken"),
    Reply(when=Match(prompt="flaky"), times=2, status=500, message="flaky"),
    Reply(when=Match(prompt="for long"), status=429, headers={"retry-after": "600"}, message="slow down"),
    Reply(when=Match(prompt="limited"), times=2, status=429, headers={"retry-after": "0.1"}, message="slow down"),
    *(
        Reply(when=Match(prompt=f"breaks {decision} 2"), times=1, status=400, message="broken")
        for decision in DECISIONS
    ),
    Reply(when=Match(turn=0, prompt="echo_tool"), tool_calls=[Call(name="echo_tool", arguments={"message": "hi"})]),
    Reply(text="$PROMPT"),
]


async def record() -> None:
    """Record every case that has no history yet."""
    HISTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ScriptedEndpoint(RULES) as endpoint:
        os.environ |= {
            "AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": "key", "TASKFLOW_STATE_DIR": folder,
            "MEMCACHE_STATE_DIR": folder,
        }  # fmt: skip
        binary = str(Path(sysconfig.get_path("scripts")) / "temporal")
        async with (
            await WorkflowEnvironment.start_local(
                dev_server_existing_path=binary,
                dev_server_log_level="error",
                dev_server_extra_args=LONG,
                data_converter=data_converter(None),
            ) as env,
            worker.running_worker(here(env, Path(folder)), TASK_QUEUE),
        ):
            for name, path in _cases(Path(folder)).items():
                if not (HISTORIES / f"{name}.json").exists():
                    await _record(env, name, path)
            if not (HISTORIES / f"{LIMITER_CASE}.json").exists():
                await _record_limiter(env)


def here(env: WorkflowEnvironment, folder: Path) -> Backend:
    """Documents are kept in files, which no replay needs; payloads stay in the history."""
    return Backend(env.client, embedded=False, documents=StoredDocuments(FileDocuments(folder / "documents")))


def _cases(folder: Path) -> dict[str, Path]:
    (folder / "careful.yaml").write_text(CAREFUL)
    for name, text in FLOWS.items():
        (folder / f"{name}.yaml").write_text(text)
    paths = (*sorted(EXAMPLES.glob("*.yaml")), *sorted(folder.glob("*.yaml")))
    return {path.stem: path for path in paths if not path.name.endswith((".dry.yaml", "careful.yaml"))}


async def _record(env: WorkflowEnvironment, name: str, path: Path) -> None:
    os.chdir(path.parent)  # so that the history names the file alone
    handle = await runs.start(env.client, load(LoadOptions(path.name)).bundle, name, TASK_QUEUE)
    first = handle.first_execution_run_id
    await _steer(handle, name)
    if name not in STEERED:
        await runs.wait_over(env.client, name)
    if name not in STEERED and (await handle.describe()).status == WorkflowExecutionStatus.RUNNING:
        await handle.signal("abort")
    try:
        await handle.result()
    except WorkflowFailureError:
        print(f"{name}: failed, as some are meant to")
    await _write(name, env.client.get_workflow_handle(name, run_id=first))
    if (await handle.describe()).run_id != first:
        await _write(f"{name}_then", env.client.get_workflow_handle(name))


async def _record_limiter(env: WorkflowEnvironment) -> None:
    """A limiter that two processes ask, and that everybody has to wait for; until it begins anew."""
    limiter, limits = LimiterClient(env.client, LIMITER_CASE, limiter_queue("")), EndpointLimits(requests_per_minute=60)
    first = ""
    while not first or (await env.client.get_workflow_handle(limiter_id(LIMITER_CASE)).describe()).run_id == first:
        for process in ("a", "b"):
            await limiter.ask(ShareRequest(process=process, limits=limits, waiting=3))
        await limiter.hold(1)
        first = first or (await env.client.get_workflow_handle(limiter_id(LIMITER_CASE)).describe()).run_id
    await _write(LIMITER_CASE, env.client.get_workflow_handle(limiter_id(LIMITER_CASE), run_id=first))


async def _steer(handle: runs.Handle, name: str) -> None:
    """What a person does, as soon as the run waits for it."""
    if name not in STEERED:
        return
    state, signal, arguments = STEERED[name]

    async def waits() -> bool:
        found = await handle.describe()
        is_due = not name.startswith("renewed") or found.run_id != handle.first_execution_run_id
        return is_due and (await standing.overview(found)).state == state

    await until_async(waits)
    await (handle.cancel() if signal == CANCEL else handle.signal(signal, args=arguments))
    for signal, arguments in THEN.get(name, []):
        await handle.signal(signal, args=arguments)


async def _write(name: str, handle: WorkflowHandle[Any, Any]) -> None:
    history = await handle.fetch_history()
    text = json.dumps(_without_machine(json.loads(history.to_json())), ensure_ascii=False)
    (HISTORIES / f"{name}.json").write_text(places.without(text) + "\n")
    print(f"{name}: {len(history.events)} events")


def _without_machine(part: Any) -> Any:
    """The history without what only says on which machine it was made."""
    if isinstance(part, list):
        return [_without_machine(entry) for entry in part]
    if isinstance(part, dict):
        return {name: _without_machine(value) for name, value in part.items() if name not in MACHINE}
    return part


if __name__ == "__main__":
    asyncio.run(record())
    leave(0)
