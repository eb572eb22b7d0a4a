"""Runs as a follower hears of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from grammar.documents.models import ModelConfig, Price, Task
from grammar.messages.activity_results import Progress, TranscriptEntry, Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.events import PendingActivity, RunChanges, RunEvent, TaskProgress
from grammar.messages.run_bundle import Bundle

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def flow(*tasks: Task, **prices: Price) -> Bundle:
    return Bundle(name="flow", source="flow.yaml", tasks=list(tasks), config=ModelConfig(prices=prices))


LIST = Task(name="list", run="ls")
EACH = Task(name="explain each", over="outputs.x", agents=("who",), user_prompt="x", model="fast", max_steps=9)
SUM = Task(name="sum up", agents=("who",), user_prompt="x")
FLOW = flow(LIST, EACH, SUM, fast=Price(input=1, output=10))


def used_by(name: str, model: str, **tokens: int) -> AskedModel:
    return AskedModel(named=name, model=model, usage=Usage(requests=1, **tokens))


def running(
    turn: int = 2,
    doing: str = "answering",
    tail: str = "",
    tokens: int = 1200,
    said: list[TranscriptEntry] | None = None,
    model: str = "gpt-x",
) -> PendingActivity:
    usage = Usage(requests=1, input_tokens=tokens)
    progress = Progress(turn=turn, doing=doing, tail=tail, tokens=tokens, usage=usage, said=said or [], model=model)
    return PendingActivity(1, progress, "", attempts=5, since=ago(4))


def retrying(seconds: float = 8) -> PendingActivity:
    return PendingActivity(2, None, "500 overloaded", "ModelUnavailable", 5, ago(1), ago(-seconds))


def task_progress(**second: Any) -> list[TaskProgress]:
    """The first task is done, the second runs."""
    first = TaskProgress(status="done", started=ago(62), ended=ago(61.5))
    known = {"status": "running", "total": 200, "started": ago(60), "done": 58, "failed": 2}
    return [first, TaskProgress.model_validate(known | second), TaskProgress()]


def changes(
    activities: dict[str, PendingActivity] | None = None, events: list[RunEvent] | None = None, **second: Any
) -> RunChanges:
    return RunChanges(entries=events or [], tasks=task_progress(**second), live=activities or {}, started=ago(63))


def branch_ended(item: int, total: int = 200, task: str = "explain each", **fields: Any) -> RunEvent:
    known: dict[str, Any] = {
        "number": item, "task": task, "kind": "branch_ended", "branch": item - 1, "total": total, "status": "done",
        "label": f"item {item} of {total}" if total > 1 else "",
        "activity": f"task-2-item-{item}" if total > 1 else "task-3",
    }  # fmt: skip
    return RunEvent.model_validate(known | fields)


def says(text: str, kind: str = "message") -> TranscriptEntry:
    return TranscriptEntry.model_validate({"kind": kind, "who": "who", "text": text})
