"""What a run would use and cost: by hand, from what a dry run deploys, and from what an earlier run used."""

from datetime import UTC, datetime
from typing import Any

import pytest

from grammar.documents.models import ModelConfig, Personality, Price, ServerParams, Task, Toolbox
from grammar.documents.rules import DryRunScript, Rule, RuleCondition
from grammar.inspection.estimate import EarlierRun, Estimate, Estimator, earlier_run
from grammar.messages.activity_results import Usage
from grammar.messages.history import Deployment, DeploymentInput, DeploymentOutput
from grammar.messages.names import activity_id
from grammar.messages.run_bundle import Bundle
from grammar.preparing.system_prompt import system_prompt

ENVIRON = {"AI_API_ENDPOINT": "http://models.example.com/v1"}
CONFIG = ModelConfig(models={"fast": "gpt-x"}, prices={"fast": Price(input=1, cached=0.5, output=10)})
LIST = Task(name="list", id="items", run="ls")
EACH = Task(name="each", id="notes", over="outputs.items", model="fast", agents=("who",), user_prompt="x")
SUM = Task(name="sum", over="outputs.notes", model="fast", agents=("who",), user_prompt="x")
# Of the system prompt that all have: 4 characters are a token.
SYSTEM = -(-len(system_prompt(Personality(), [])) // 4)


def flow(*tasks: Task, **toolboxes: Toolbox) -> Bundle:
    return Bundle(name="flow", source="flow.yaml", tasks=list(tasks), personalities={"who": Personality()},
                  toolboxes=toolboxes, config=CONFIG)  # fmt: skip


def deployed(task: int, items: int | None, prompt: str = "x" * 40, **output: Any) -> list[Deployment]:
    """The branches of a task: of so many items, or of none; `output`: what each gave."""
    return [
        Deployment(
            activity=activity_id(task, item),
            scheduled=datetime.now(UTC),
            input=DeploymentInput(prompt=prompt),
            output=DeploymentOutput(**output),
        )
        for item in (range(items) if items is not None else [None])
    ]


def estimated(
    bundle: Bundle, deployments: list[Deployment], earlier: EarlierRun | None = None, rules: list[Rule] | None = None
) -> Estimate:
    return Estimator(bundle, DryRunScript(rules=rules or []), deployments, earlier, ENVIRON).estimate("dry")


def test_without_tools_an_agent_is_asked_once() -> None:
    found = estimated(flow(LIST, EACH), [*deployed(0, None, ""), *deployed(1, 3)])
    script, each = found.tasks
    assert (script.branches, script.basis, script.low.usage) == (1, "script", Usage())
    prompts = 3 * (SYSTEM + 10)
    assert (each.branches, each.prompt_tokens, each.basis) == (3, prompts, "assumed")
    assert each.low.usage == Usage(requests=3, input_tokens=prompts, output_tokens=300)
    assert each.high.usage == Usage(requests=3, input_tokens=prompts, output_tokens=3_000)
    assert found.low.cost.usd == pytest.approx((prompts * 1 + 300 * 10) / 1e6)
    assert found.high == each.high


def test_with_tools_it_reads_again_what_came_before() -> None:
    box = Toolbox(server_params=ServerParams(kind="stdio", command="box"))
    ask = Task(name="ask", model="fast", agents=("who",), toolboxes=("box",), user_prompt="x", max_steps=3)
    (task,) = estimated(flow(ask, box=box), deployed(0, None)).tasks
    prompt = SYSTEM + 10
    # Two requests, of 100 tokens each, with a result of 100 between them.
    assert task.low.usage == Usage(requests=2, input_tokens=2 * prompt + 200, output_tokens=200)
    # As many as it may take, of 1,000 tokens each, with results of 2,000: the third reads twice what the second does.
    assert task.high.usage == Usage(requests=3, input_tokens=3 * prompt + 3_000 + 6_000, output_tokens=3_000)
    once = ask.model_copy(update={"exclude_from_context": True})
    assert estimated(flow(once, box=box), deployed(0, None)).tasks[0].high.usage.requests == 1


def test_as_an_earlier_run_used_it() -> None:
    bundle = flow(LIST, EACH, SUM)
    used = [Usage(requests=n, input_tokens=1_000 * n, cached_tokens=900 * n, output_tokens=10) for n in range(1, 10)]
    branches = [deployment for each in used for deployment in deployed(1, 1, usage=each)]
    for number, deployment in enumerate(branches):
        deployment.activity = activity_id(1, number)
    before = earlier_run("night-1", bundle, [*deployed(0, None), *branches])
    found = estimated(bundle, [*deployed(0, None), *deployed(1, 2), *deployed(2, 2)], before)
    each, rest = found.tasks[1:]
    # Nine branches, as there were, since two items are a placeholder: from the third dearest to the seventh.
    assert (each.branches, each.made_up, each.basis) == (9, False, "earlier_run")
    assert (each.low.usage.requests, each.high.usage.requests) == (9 * 3, 9 * 7)
    # 100 tokens of each thousand cost 1, the others 0.5, and 10 that are written cost 10 each, per million.
    assert each.low.cost.usd == pytest.approx(9 * (300 * 1 + 2_700 * 0.5 + 10 * 10) / 1e6)
    assert (rest.branches, rest.made_up, rest.basis) == (2, True, "assumed"), "it was not in the earlier run"
    assert found.earlier_run == "night-1"


def test_a_branch_of_several_legs_is_counted_once() -> None:
    first, second = deployed(0, None, usage=Usage(requests=2)), deployed(0, None, usage=Usage(requests=5))
    second[0].activity += "-leg-2"
    lost = Deployment(activity=f"{activity_id(0, None)}-leg-3", scheduled=datetime.now(UTC))
    found = earlier_run("r", flow(Task(agents=("who",), user_prompt="x")), [*first, *second, lost])
    assert found.branches == {"task-1/0": [Usage(requests=5)]}


def test_items_that_are_made_up_are_called_so() -> None:
    known = Task(name="each", id="notes", over="globals.x", model="fast", agents=("who",), user_prompt="x")
    carried = Task(name="carried", repeat_prompt=True, model="fast", agents=("who",), user_prompt="x")
    ruled = [Rule(when=RuleCondition(task="list"), run=True)]

    def guessed(*tasks: Task, rules: list[Rule] | None = None) -> list[str]:
        deployments = [deployment for index in range(len(tasks)) for deployment in deployed(index, 2)]
        return [task.name for task in estimated(flow(*tasks), deployments, rules=rules).tasks if task.made_up]

    assert guessed(LIST, EACH, SUM) == ["each", "sum"]
    assert guessed(LIST, EACH, SUM, rules=ruled) == []
    assert guessed(known, SUM) == [], "a fan-out publishes an entry for each of its branches"
    assert guessed(LIST, carried) == ["carried"]
    assert guessed(LIST, carried, rules=ruled) == []


def test_several_models_and_one_without_a_price() -> None:
    ask = Task(name="ask", models=({"model": "fast"}, {"model": "other"}), agents=("who",), user_prompt="x")
    both = [*deployed(0, None), *deployed(0, None)]
    for choice, deployment in enumerate(both):
        deployment.activity = activity_id(0, None, choice)
    (task,) = estimated(flow(ask), both).tasks
    assert (task.branches, task.low.usage.requests, task.low.cost.unpriced) == (2, 2, ["other"])
    assert task.low.cost.usd == pytest.approx((SYSTEM + 10 + 100 * 10) / 1e6)


def test_what_does_not_run_uses_nothing() -> None:
    found = estimated(flow(LIST, EACH), deployed(0, None))
    assert (found.tasks[1].branches, found.high.usage) == (0, Usage())
