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

from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

import worker
from grammar.bundle import Order, load
from grammar.contracts import TASK_QUEUE
from runtime import runs
from runtime.converter import data_converter
from runtime.exit import leave
from runtime.place import Place
from tests.support.endpoint import Call, Rule, ScriptedEndpoint, When

HISTORIES = Path(__file__).parent / "histories"
EXAMPLES = Path(__file__).parents[2] / "taskflows/examples"

MACHINE = ("identity", "stackTrace", "binaryChecksum")

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
}

RULES = [
    Rule(when=When(prompt="broken"), status=400, message="broken"),
    Rule(when=When(prompt="flaky"), times=2, status=500, message="flaky"),
    Rule(when=When(turn=0, prompt="echo_tool"), tool_calls=[Call(name="echo_tool", arguments={"message": "hi"})]),
    Rule(text="$PROMPT"),
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
                dev_server_existing_path=binary, dev_server_log_level="error", data_converter=data_converter(None)
            ) as env,
            worker.serving(Place(env.client, embedded=False), TASK_QUEUE),
        ):
            for name, path in _cases(Path(folder)).items():
                if not (HISTORIES / f"{name}.json").exists():
                    await _record(env, name, path)


def _cases(folder: Path) -> dict[str, Path]:
    for name, text in FLOWS.items():
        (folder / f"{name}.yaml").write_text(text)
    paths = (*sorted(EXAMPLES.glob("*.yaml")), *sorted(folder.glob("*.yaml")))
    return {path.stem: path for path in paths if not path.name.endswith(".dry.yaml")}


async def _record(env: WorkflowEnvironment, name: str, path: Path) -> None:
    os.chdir(path.parent)  # so that the history names the file alone
    handle = await runs.start(env.client, load(Order(path.name)).bundle, name, TASK_QUEUE)
    try:
        await handle.result()
    except WorkflowFailureError:
        print(f"{name}: failed, as some are meant to")
    history = await handle.fetch_history()
    text = json.dumps(_without_machine(json.loads(history.to_json())), ensure_ascii=False)
    (HISTORIES / f"{name}.json").write_text(text + "\n")
    print(f"{name}: {len(history.events)} events")


def _without_machine(part: Any) -> Any:
    """The history without what only says on which machine it was made."""
    if isinstance(part, list):
        return [_without_machine(one) for one in part]
    if isinstance(part, dict):
        return {name: _without_machine(value) for name, value in part.items() if name not in MACHINE}
    return part


if __name__ == "__main__":
    asyncio.run(record())
    leave(0)
