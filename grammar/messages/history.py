"""A run as its histories tell it: what each branch was asked, what it said and cost, and when. Pure.

DeploymentInput and DeploymentOutput are what a report needs of requests and results, so that those of an older version
fit too.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, JsonValue

from grammar.documents.models import Task
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.activity_results import LegReason, TranscriptEntry, Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.reports import BranchReport, Manifest
from grammar.messages.run_bundle import Bundle
from grammar.printable import printable_name

_ACTIVITY = re.compile(r"task-(\d+)(?:-item-(\d+))?(?:-model-(\d+))?(?:-leg-(\d+))?")


class BranchPosition(NamedTuple):
    """Which branch of a run an activity is of."""

    task: int
    """The index of the task, from 0."""
    item: int = 0
    """The number of the item, from 0; 0 also where the task does not repeat."""
    choice: int = 0
    """Which of the task's models, from 0."""


def position_of(activity: str) -> BranchPosition | None:
    """Return the branch that an activity's id names: the inverse of `activity_id`. None: it names no branch."""
    found = _ACTIVITY.fullmatch(activity)
    return BranchPosition(*(int(found[group] or 1) - 1 for group in (1, 2, 3))) if found else None


def branch_label(position: BranchPosition, task: Task) -> str:
    """Return what people call a branch of the task: `item 3 on gpt-4.1`; empty where it has only one."""
    named = task.choices[position.choice] if position.choice < len(task.choices) else None
    item = f"item {position.item + 1}" if task.repeats else ""
    model = named.model if named and len(task.choices) > 1 else ""
    return " on ".join(filter(None, [item, printable_name(model)]))


class DeploymentInput(BaseModel):
    """What a deployment was asked, of an AgentRequest or a ShellRequest."""

    prompt: str = ""
    """The prompt; empty for a script."""
    script: str = ""
    """The script; empty for an agent run."""
    model: ModelSpec = ModelSpec()
    """The model; the default one for a script."""


class LegEnd(BaseModel):
    """Why a leg was left off."""

    reason: LegReason = "approval"
    """The Leg's `reason`."""
    message: str = ""
    """The Leg's `message`."""


class DeploymentOutput(BaseModel):
    """What a deployment gave, of a BranchResult, of its FailureDetails, or of the Progress of one that runs."""

    said: list[TranscriptEntry] = []
    """The transcript, its newest entries if it is long."""
    first: int = 0
    """The number of the first entry of `said`, from 0 over the whole transcript."""
    usage: Usage = Usage()
    """What it cost; nothing for one that failed or runs."""
    model: str = ""
    """The provider's id of the model; empty: not known."""
    leg: LegEnd | None = None
    """Why it was left off; None: it was not."""


class Deployment(BaseModel):
    """One activity that ran a branch, or a leg of it."""

    activity: str
    """The activity's id."""
    scheduled: datetime
    """When it was scheduled."""
    input: DeploymentInput = DeploymentInput()
    """What it was asked."""
    started: datetime | None = None
    """When its last attempt began; None: none has, or not known."""
    ended: datetime | None = None
    """When it ended; None: it has not."""
    attempts: int = 1
    """How many attempts there were, the current one included."""
    output: DeploymentOutput | None = None
    """What it gave; None: nothing is known."""
    failure: str = ""
    """Why it failed, or its last attempt did, or `cancelled`; empty: it did not fail."""

    @property
    def begun(self) -> datetime:
        """Return when its work began: the first attempt's begin where it is known, else when it was scheduled."""
        return self.started if self.started and self.attempts == 1 else self.scheduled


class DeploymentHistory(BaseModel):
    """All that was deployed, in all histories of a run."""

    deployments: list[Deployment] = []
    """The deployments, in the order in which they were scheduled."""
    items: dict[int, dict[int, JsonValue]] = {}
    """The items of the pages that were prepared, by the index of the task and then by their number, both from 0."""
    histories: int = 1
    """How many histories the run went through so far."""


class BranchHistory(BaseModel):
    """One branch of a task, with all its deployments."""

    position: BranchPosition
    """Which branch it is."""
    report: BranchReport
    """Its line of the manifest."""
    named: str | None = None
    """Its model, as the file names it; None: the file names none."""
    item: JsonValue = None
    """Its item; None where the task does not repeat, or it is not known."""
    deployments: list[Deployment] = []
    """Its deployments, in their order; empty for what an earlier run gave."""

    @property
    def usage(self) -> Usage:
        """Return what this run used for it: nothing for what an earlier run gave."""
        counted = [deployment.output.usage for deployment in self.deployments if deployment.output]
        used = self.report.usage if self.report.usage.requests else next(reversed(counted), Usage())
        return used if self.deployments else Usage()

    @property
    def asked(self) -> list[AskedModel]:
        """Return the models that this run asked for it, one after the other, and what each used."""
        if self.report.asked and self.deployments:
            return self.report.asked
        return [AskedModel(named=self.named or "", model=self.model, usage=self.usage)]

    @property
    def model(self) -> str:
        """Return the provider's id of the model that answered last; empty where it is not known."""
        newest_first = list(reversed(self.deployments))
        answered = [deployment.output.model for deployment in newest_first if deployment.output]
        asked = [deployment.input.model.name or "" for deployment in newest_first]
        return next(filter(None, [self.report.model, *answered, *asked]), "")

    @property
    def prompt(self) -> str:
        """Return what it was asked: the prompt, or the script; empty where it is not known."""
        return next((deployment.input.prompt or deployment.input.script for deployment in self.deployments), "")

    def transcript(self) -> list[TranscriptEntry]:
        """Return what was said, each entry once: a leg that goes on from a journal tells again what came before."""
        whole, conversation = list[TranscriptEntry](), dict[int, TranscriptEntry]()
        for deployment in self.deployments:
            output = deployment.output or DeploymentOutput()
            conversation |= dict(enumerate(output.said, output.first))
            if output.leg and output.leg.reason == "approval":
                whole += conversation.values()
                conversation = {}
        return [*whole, *conversation.values()]


class RunHistory(BaseModel):
    """One run, for a report of it."""

    run_id: str
    """The run's id."""
    bundle: Bundle
    """What it was started with."""
    manifest: Manifest
    """What the workflow says of it."""
    history: DeploymentHistory
    """What its histories say of it."""
    started: datetime
    """When it started: its first history."""
    ended: datetime | None
    """When it ended; None: it is open."""
    seen: datetime
    """When it was looked at."""

    @property
    def until(self) -> datetime:
        """Return its end, or where it is open, when it was looked at."""
        return self.ended or self.seen

    @property
    def status(self) -> str:
        """Return how the run stands: a RunStatus."""
        return self.manifest.report.status

    def branches(self) -> list[list[BranchHistory]]:
        """Return the branches of each task, in the order of the manifest."""
        deployed = defaultdict[BranchPosition, list[Deployment]](list)
        for deployment in self.history.deployments:
            if position := position_of(deployment.activity):
                deployed[position].append(deployment)
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
        position = BranchPosition(index, item, choice)
        chosen = task.choices[choice]
        return BranchHistory(
            position=position,
            report=report,
            named=chosen.model if chosen else task.model,
            item=self.history.items.get(index, {}).get(item),
            deployments=deployed.get(position, []),
        )


def _of_one_task(name: str, left: list[BranchReport]) -> Iterator[BranchReport]:
    """Take the lines of the next task off the end: as long as their numbers grow."""
    last = -1
    while left and left[-1].task == name and left[-1].index > last:
        last = left[-1].index
        yield left.pop()
