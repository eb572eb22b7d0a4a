"""A run as its histories tell it: what each branch was asked, what it said and cost, and when. Pure.

`Asked` and `Gave` are what a report needs of requests and results, so that those of an older version fit too.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, JsonValue

from grammar.documents.models import Task
from grammar.messages.contracts import Bundle, LegReason, ModelSpec, TranscriptEntry, Usage
from grammar.messages.reports import BranchReport, Manifest

_ACTIVITY = re.compile(r"task-(\d+)(?:-item-(\d+))?(?:-model-(\d+))?(?:-leg-(\d+))?")


class BranchPosition(NamedTuple):
    """Which branch an activity is of: task, item and model, counted from 0."""

    task: int
    item: int = 0
    choice: int = 0


def position_of(activity: str) -> BranchPosition | None:
    """The branch that an activity's id names: the other way round than `activity_id`."""
    found = _ACTIVITY.fullmatch(activity)
    return BranchPosition(*(int(found[group] or 1) - 1 for group in (1, 2, 3))) if found else None


class DeploymentInput(BaseModel):
    """What a deployment was asked: an AgentRequest or a ShellRequest."""

    prompt: str = ""
    script: str = ""
    model: ModelSpec = ModelSpec()


class LegEnd(BaseModel):
    """Why a leg was left off."""

    reason: LegReason = "approval"
    message: str = ""


class DeploymentOutput(BaseModel):
    """What a deployment told: a Deployed, or the Progress of one that runs."""

    said: list[TranscriptEntry] = []
    first: int = 0
    usage: Usage = Usage()
    model: str = ""
    leg: LegEnd | None = None


class Deployment(BaseModel):
    """One activity of a branch. `started`: its last attempt. `failure`: why it failed, or was cancelled."""

    activity: str
    scheduled: datetime
    asked: DeploymentInput = DeploymentInput()
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 1
    gave: DeploymentOutput | None = None
    failure: str = ""

    @property
    def begun(self) -> datetime:
        """When its work began: the first attempt's begin, where it is known."""
        return self.started if self.started and self.attempts == 1 else self.scheduled


class DeploymentHistory(BaseModel):
    """All that happened, in all histories of the run. `items`: by task, then by number, counted from 0."""

    deployments: list[Deployment] = []
    items: dict[int, dict[int, JsonValue]] = {}
    histories: int = 1


class BranchHistory(BaseModel):
    """One branch of a task. `item`: as JSON, None where the task has no items."""

    place: BranchPosition
    report: BranchReport
    named: str | None = None
    item: JsonValue = None
    deployments: list[Deployment] = []

    @property
    def usage(self) -> Usage:
        """What this run used for it: nothing for what an earlier run gave."""
        told = [one.gave.usage for one in self.deployments if one.gave]
        used = self.report.usage if self.report.usage.requests else next(reversed(told), Usage())
        return used if self.deployments else Usage()

    @property
    def model(self) -> str:
        """The provider's id of the model."""
        told = [one.gave.model for one in reversed(self.deployments) if one.gave]
        asked = [one.asked.model.name or "" for one in reversed(self.deployments)]
        return next(filter(None, [self.report.model, *told, *asked]), "")

    @property
    def prompt(self) -> str:
        """What it was asked: the prompt, or the script."""
        return next((one.asked.prompt or one.asked.script for one in self.deployments), "")

    def transcript(self) -> list[TranscriptEntry]:
        """What was said, each entry once: a leg that goes on from a journal tells again what came before."""
        whole, conversation = list[TranscriptEntry](), dict[int, TranscriptEntry]()
        for one in self.deployments:
            gave = one.gave or DeploymentOutput()
            conversation |= dict(enumerate(gave.said, gave.first))
            if gave.leg and gave.leg.reason == "approval":
                whole += conversation.values()
                conversation = {}
        return [*whole, *conversation.values()]


class RunHistory(BaseModel):
    """One run, for a report of it. `seen`: when it was looked at; `ended` None: it is open."""

    run_id: str
    bundle: Bundle
    manifest: Manifest
    history: DeploymentHistory
    started: datetime
    ended: datetime | None
    seen: datetime

    @property
    def until(self) -> datetime:
        """Its end so far."""
        return self.ended or self.seen

    @property
    def status(self) -> str:
        """How it stands. What was ended from outside may not know it."""
        report = self.manifest.report
        if self.ended and report.status in ("running", "parked"):
            return "cancelled"
        return "paused" if report.paused and report.status == "running" else report.status

    def branches(self) -> list[list[BranchHistory]]:
        """The branches of each task."""
        deployed = defaultdict[BranchPosition, list[Deployment]](list)
        for one in self.history.deployments:
            if where := position_of(one.activity):
                deployed[where].append(one)
        reports = self._reports()
        return [
            [self._branch(index, task, report, deployed) for report in reports[index]]
            for index, task in enumerate(self.bundle.tasks)
        ]

    def _reports(self) -> list[list[BranchReport]]:
        """The manifest's lines by task; several tasks may have the same name."""
        left = list(reversed(self.manifest.branches))
        return [list(_of_one_task(task.name, left)) for task in self.manifest.report.tasks]

    def _branch(
        self, index: int, task: Task, report: BranchReport, deployed: dict[BranchPosition, list[Deployment]]
    ) -> BranchHistory:
        item, choice = divmod(report.index, len(task.choices))
        where = BranchPosition(index, item, choice)
        chosen = task.choices[choice]
        return BranchHistory(
            place=where,
            report=report,
            named=chosen.model if chosen else task.model,
            item=self.history.items.get(index, {}).get(item),
            deployments=deployed.get(where, []),
        )


def _of_one_task(name: str, left: list[BranchReport]) -> Iterator[BranchReport]:
    """Takes the lines of the next task off the end: as long as their numbers grow."""
    last = -1
    while left and left[-1].task == name and left[-1].index > last:
        last = left[-1].index
        yield left.pop()
