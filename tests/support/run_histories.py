"""Histories of runs, made up, as reports show them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from grammar.documents.models import ModelConfig, Personality, Price, Task
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.activity_results import TranscriptEntry, Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.history import Deployment, DeploymentHistory, DeploymentInput, DeploymentOutput, RunHistory
from grammar.messages.names import activity_id
from grammar.messages.reports import BranchReport, Failure, Manifest, RunReport, TaskReport
from grammar.messages.run_bundle import Bundle

BEGIN = datetime(2026, 11, 24, 13, 29, tzinfo=UTC)
PRICES = ModelConfig(models={"fast": "gpt-x"}, prices={"fast": Price(input=0.4, output=1.6)})
TALK = [
    TranscriptEntry(kind="tool_call", who="assistant", text='look_up({"key": "<b>é</b>"})'),
    TranscriptEntry(kind="tool_output", who="assistant", text='{"found": [1, 2, 3], "more": "' + "word " * 60 + '"}'),
    TranscriptEntry(
        kind="message", who="assistant", text="What I found: <script>alert(1)</script> & more. " + "And so on. " * 30
    ),
]


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the run began."""
    return BEGIN + timedelta(seconds=seconds)


def many(branches: int, talk: list[TranscriptEntry] | None = None, **changes: Any) -> RunHistory:
    """Return a run of a script, then an agent for each of many items, and a task that does not begin.

    Each 97th item fails. `talk`: the transcript of each agent. `changes`: to fields of the RunHistory.
    """
    talk = TALK if talk is None else talk
    items: list[JsonValue] = [{"name": f"file_{n}.c", "<i>": "'\""} for n in range(branches)]
    tasks = [
        Task(name="list files", id="files", run="echo '[...]'", must_complete=True),
        Task(name="read each", id="notes", over="outputs.files", async_=True, async_limit=20, model="fast",
             agents=("who",), user_prompt="Read {{ result.name }}"),
        Task(name="sum up", agents=("who",), user_prompt="{{ outputs.notes }}"),
    ]  # fmt: skip
    bundle = Bundle(
        name="reading", source="reading.yaml", tasks=tasks, personalities={"who": Personality()}, config=PRICES
    )
    shell = Deployment(
        activity="task-1", scheduled=at(0), started=at(0.1), ended=at(3), input=DeploymentInput(script="echo '[...]'"),
        output=DeploymentOutput(said=[TranscriptEntry(kind="shell", who="shell", text="[...]")]),
    )  # fmt: skip
    deployments = [shell, *(_deployment(n, talk) for n in range(branches))]
    failed = [n for n in range(branches) if n % 97 == 96]
    reports = [BranchReport(task="list files", index=0, status="done")]
    reports += [_branch(n, branches, n in failed) for n in range(branches)]
    usage = sum((report.usage for report in reports), Usage())
    used = [AskedModel(named="fast", model="gpt-x", usage=usage)]
    report = RunReport(
        name="reading", bundle="0123456789abcdef", status="running", usage=usage, outputs={"files": items},
        tasks=[
            TaskReport(name="list files", id="files", status="done", total=1, done=1, started=at(0), ended=at(3)),
            TaskReport(name="read each", id="notes", status="running", total=branches, done=branches - len(failed),
                       failed=len(failed), started=at(3), usage=usage, usage_by_model=used,
                       warnings=["stdout was not UTF-8"],
                       failures=[Failure(task="read each", branch=n, type="X", message="no") for n in failed][:20]),
            TaskReport(name="sum up"),
        ],
    )  # fmt: skip
    return RunHistory(
        run_id="reading-1",
        bundle=bundle,
        manifest=Manifest(report=report, branches=reports),
        history=DeploymentHistory(deployments=deployments, items={1: dict(enumerate(items))}),
        started=BEGIN,
        ended=None,
        seen=at(10 + branches / 4),
    ).model_copy(update=changes)


def _deployment(number: int, talk: list[TranscriptEntry]) -> Deployment:
    begin = 3 + number // 20 * 5 + number % 20 * 0.2
    failed = number % 97 == 96
    return Deployment(
        activity=activity_id(1, number),
        scheduled=at(begin),
        started=at(begin + 0.05),
        ended=at(begin + 2 + number % 7 * 0.4),
        input=DeploymentInput(prompt=f"Read file_{number}.c", model=ModelSpec(name="gpt-x")),
        output=None if failed else DeploymentOutput(said=talk, model="gpt-x"),
        failure="BadRequest: 400 no such <file>" if failed else "",
    )


def _branch(number: int, branches: int, failed: bool) -> BranchReport:
    label = f"item {number + 1} of {branches}"
    if failed:
        return BranchReport(task="read each", index=number, label=label, status="failed", error="400 no such <file>")
    usage = Usage(requests=2, input_tokens=1_000, output_tokens=100)
    return BranchReport(task="read each", index=number, label=label, status="done", model="gpt-x", usage=usage)
