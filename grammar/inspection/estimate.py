"""What a run of a flow would use and cost, from a dry run of it, and from an earlier run where there is one. Pure.

Nobody knows beforehand how often a model calls tools and how much it says: so there is a low end and a high one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from pydantic import BaseModel

from grammar.documents.models import Task
from grammar.documents.rules import DryRunScript, branch_script
from grammar.loading.graph import item_sources
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import AskedModel, Cost
from grammar.messages.history import BranchPosition, Deployment, position_of
from grammar.messages.run_bundle import Bundle
from grammar.model_access import endpoint, model_choice
from grammar.model_access.prices import EMBEDDED, cost_of
from grammar.preparing.system_prompt import system_prompt

CHARACTERS = 4
"""Characters that are taken for a token: what English text has, by OpenAI's rule of thumb. Code has fewer."""


@dataclass(frozen=True)
class Assumption:
    """What an agent does, where no earlier run says it.

    `requests`: of one that has tools. `output`: tokens that it writes in each. `result`: tokens that each call gives.
    """

    requests: int
    output: int
    result: int


LOW, HIGH = Assumption(requests=2, output=100, result=100), Assumption(requests=20, output=1_000, result=2_000)


class Spending(BaseModel):
    """What is used, and what that costs."""

    usage: Usage = Usage()
    """What models read and write."""
    cost: Cost = Cost()
    """What that costs."""

    def __add__(self, other: "Spending") -> "Spending":
        return Spending(usage=self.usage + other.usage, cost=self.cost + other.cost)


class TaskEstimate(BaseModel):
    """What one task would use."""

    name: str
    """The task's name."""
    branches: int
    """How many branches it would have."""
    made_up: bool = False
    """Whether its items are placeholders of the dry run, so that nobody knows how many there are."""
    prompt_tokens: int = 0
    """How many tokens its prompts have, with the system prompts, over all branches; 0 for a script."""
    basis: Literal["script", "assumed", "earlier_run"] = "script"
    """What `low` and `high` rest on; `script`: it asks no model."""
    low: Spending = Spending()
    """The least that is to be expected."""
    high: Spending = Spending()
    """The most that is to be expected."""


class Estimate(BaseModel):
    """What a run would use and cost."""

    flow: str
    """The flow's file, as people call it."""
    dry_run: str
    """The id of the dry run that it rests on."""
    earlier_run: str | None = None
    """The id of the earlier run that it rests on; None: none is known."""
    tasks: list[TaskEstimate]
    """The tasks, in their order."""
    low: Spending
    """The least that is to be expected of all tasks."""
    high: Spending
    """The most that is to be expected of all tasks."""


class EarlierRun(BaseModel):
    """What the branches of an earlier run used."""

    run_id: str
    """The run's id."""
    branches: dict[str, list[Usage]]
    """What each branch of a task used, by the task's name and the number of its model: `ask/0`."""


def earlier_run(run_id: str, bundle: Bundle, deployments: Iterable[Deployment]) -> EarlierRun:
    """Return what a run used, of what its histories say. A later leg of a branch counts what earlier ones used."""
    used: dict[BranchPosition, Usage] = {}
    for deployment in deployments:
        if position := position_of(deployment.activity):
            output = deployment.output
            used[position] = output.usage if output and output.usage.requests else used.get(position, Usage())
    branches: dict[str, list[Usage]] = {}
    for position, usage in used.items():
        name = _key(_name(bundle.tasks, position.task), position.choice)
        branches.setdefault(name, []).append(usage)
    return EarlierRun(run_id=run_id, branches=branches)


class Estimator:
    """Estimate a run of `bundle`, which has prices, by what was deployed in the dry run of that script and id.

    `environ`: says which models answer where the bundle names none.
    """

    def __init__(
        self,
        bundle: Bundle,
        script: DryRunScript,
        deployments: Iterable[Deployment],
        earlier: EarlierRun | None,
        environ: Mapping[str, str],
    ) -> None:
        self._bundle = bundle
        self._earlier = earlier
        self._environ = environ
        self._prompts = _prompts(deployments)
        self._made_up = _made_up(bundle, script)

    def estimate(self, dry_run: str) -> Estimate:
        """Return the estimate. `dry_run`: the dry run's id."""
        tasks = [self._task(index, task) for index, task in enumerate(self._bundle.tasks)]
        return Estimate(
            flow=self._bundle.source,
            dry_run=dry_run,
            earlier_run=self._earlier.run_id if self._earlier else None,
            tasks=tasks,
            low=sum((task.low for task in tasks), Spending()),
            high=sum((task.high for task in tasks), Spending()),
        )

    def _task(self, index: int, task: Task) -> TaskEstimate:
        parts = [self._choice(index, task, choice) for choice in range(len(task.choices))]
        whole = parts[0].model_copy(update={"branches": 0, "prompt_tokens": 0, "low": Spending(), "high": Spending()})
        for part in parts:
            together = {
                "branches": whole.branches + part.branches,
                "prompt_tokens": whole.prompt_tokens + part.prompt_tokens,
                "low": whole.low + part.low,
                "high": whole.high + part.high,
            }
            whole = whole.model_copy(update=together)
        return whole

    def _choice(self, index: int, task: Task, choice: int) -> TaskEstimate:
        """Return the part of the task that runs on one of its models."""
        name = _name(self._bundle.tasks, index)
        rendered = self._prompts.get((index, choice), [])
        before = self._earlier.branches.get(_key(name, choice), []) if self._earlier else []
        is_made_up = index in self._made_up
        number = len(before) if is_made_up and before else len(rendered)
        found = TaskEstimate(name=name, branches=number, made_up=is_made_up and not before)
        if task.run is not None:
            return found
        each = [self._system_tokens(task) + _tokens(prompt) for prompt in rendered]
        found.prompt_tokens = round(sum(each) / len(each) * number) if each else 0
        used = [usage for usage in before if usage.requests]
        low, high = _as_before(used, number) if used else self._assumed(task, found.prompt_tokens, number)
        found.basis = "earlier_run" if used else "assumed"
        found.low, found.high = self._spending(task, choice, low), self._spending(task, choice, high)
        return found

    def _assumed(self, task: Task, prompts: int, branches: int) -> tuple[Usage, Usage]:
        """Return what all branches use at the least and at the most. Each request reads all that came before it."""
        if branches == 0:
            return Usage(), Usage()
        turns = 1 if task.exclude_from_context or not self._bundle.toolboxes_of(task) else task.turns
        low, high = (
            _conversation(prompts / branches, min(assumed.requests, turns), assumed) for assumed in (LOW, HIGH)
        )
        return _times(low, branches), _times(high, branches)

    def _system_tokens(self, task: Task) -> int:
        """Return the tokens of the primary agent's system prompt."""
        hints = [toolbox.server_prompt for toolbox in self._bundle.toolboxes_of(task).values()]
        return _tokens(system_prompt(self._bundle.personalities[task.agents[0]], hints)) if task.agents else 0

    def _spending(self, task: Task, choice: int, usage: Usage) -> Spending:
        named = task.choices[choice]
        spec = model_choice.choose(task, self._bundle.config, choice)
        toy = EMBEDDED if spec.endpoint is None and endpoint.is_embedded(self._environ) else ""
        model = endpoint.model_name(spec, self._environ) + toy
        used = AskedModel(named=(named.model if named else task.model) or "", model=model, usage=usage)
        return Spending(usage=usage, cost=cost_of(self._bundle.config, [used]))


def _made_up(bundle: Bundle, script: DryRunScript) -> set[int]:
    """Return the tasks of which nobody knows how many items they have: a placeholder gave them, for want of a rule.

    A fan-out publishes as many entries as it has branches, whatever they are.
    """
    found: set[int] = set()
    sources = item_sources(bundle)
    for index, task in enumerate(bundle.tasks):
        for source in sources.get(index, ()):
            giver = bundle.tasks[source]
            is_counted = giver.fans_out and task.over is not None
            is_ruled = is_counted or bool(branch_script(script, giver, source, 0, ()).rules)
            if source in found or not is_ruled:
                found.add(index)
    return found


def _prompts(deployments: Iterable[Deployment]) -> dict[tuple[int, int], list[str]]:
    """Return the rendered prompts of all branches, by the index of the task and the number of its model."""
    first: dict[BranchPosition, str] = {}
    for deployment in deployments:
        if position := position_of(deployment.activity):
            first.setdefault(position, deployment.input.prompt)
    found: dict[tuple[int, int], list[str]] = {}
    for position, prompt in first.items():
        found.setdefault((position.task, position.choice), []).append(prompt)
    return found


def _as_before(used: Sequence[Usage], branches: int) -> tuple[Usage, Usage]:
    """Return as many times what the branches of an earlier run used: from the lower quarter of them to the upper."""
    ranked = sorted(used, key=lambda usage: usage.tokens)
    last = len(ranked) - 1
    return _times(ranked[int(last * 0.25)], branches), _times(ranked[ceil(last * 0.75)], branches)


def _conversation(prompt: float, requests: int, assumed: Assumption) -> Usage:
    """Return what one agent uses: the prompt is read with each request, and what came since with all later ones."""
    since = (assumed.output + assumed.result) * requests * (requests - 1) / 2
    return Usage(
        requests=requests,
        input_tokens=round(prompt * requests + since),
        output_tokens=assumed.output * requests,
    )


def _times(usage: Usage, branches: int) -> Usage:
    return Usage(**{name: count * branches for name, count in usage.model_dump().items()})


def _tokens(text: str) -> int:
    return ceil(len(text) / CHARACTERS)


def _name(tasks: Sequence[Task], index: int) -> str:
    return (tasks[index].name if index < len(tasks) else None) or f"task-{index + 1}"


def _key(task: str, choice: int) -> str:
    return f"{task}/{choice}"
