"""The bundle: what the starter hands to the workflow, so that a run needs no file (specification section 2)."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from grammar.documents.budget import Budget, ConfirmOver, OnBudget
from grammar.documents.models import ModelConfig, Personality, Task, Toolbox
from grammar.documents.rules import DryRunScript

Meaning = Literal[1, 2]
"""What a flow's words mean. 1: as in versions whose runs may still be open, or be taken over. 2: as specified.

With 1, `item` of an entry of a fan-out is the item itself, and `completion: any` asks for one model for each item.
"""

MEANING: Meaning = 2
"""What the words of a new bundle mean."""


class Bundle(BaseModel):
    """A self-contained run: the flow, and every document that it refers to."""

    name: str
    """The flow's file name without its suffix; of a single agent run, the personality's short name."""
    source: str
    """The flow's file, as people call it; `command line` for a single agent run."""
    globals: dict[str, JsonValue] = {}
    """Values for `{{ globals.x }}`: the file's, and over them those of the command line."""
    tasks: list[Task]
    """The tasks, in the order in which they run, with `defaults` and `uses` merged in. At least one."""
    personalities: dict[str, Personality] = {}
    """The personalities, by the names that the tasks' `agents` have for them."""
    toolboxes: dict[str, Toolbox] = {}
    """The toolboxes, by the names that tasks and personalities have for them."""
    prompts: dict[str, str] = {}
    """The texts that templates include, by the names that the includes have for them."""
    config: ModelConfig = ModelConfig()
    """The model config; the default one where neither the flow nor the command line names one."""
    script: DryRunScript | None = None
    """What answers in place of models and scripts; None: the run is no dry run."""
    budget: Budget | None = None
    """What the run may use up; None: as much as there is need for."""
    on_budget: OnBudget = "park"
    """What happens where that is used up."""
    confirm_over: ConfirmOver | None = None
    """Over which size or cost a fan-out asks a person first; None: it does not ask."""
    meaning: Meaning = 1
    """What the flow's words mean; 1 also for bundles that older versions made, which do not say."""
    priority: int | None = None
    """Which runs go first where workers are busy: from 1, the first ones, to 5; None: 3."""
    hash: str = ""
    """SHA-256, in hex, of all but `source`, `priority`, `confirm_over`, prices, limits and itself. Empty at first."""

    @property
    def has_budget(self) -> bool:
        """Return whether anything in the run has a budget, or asks by its cost."""
        tasks = any(task.budget or task.item_budget for task in self.tasks)
        return bool(self.budget or tasks or (self.confirm_over and self.confirm_over.usd))

    @property
    def most_at_once(self) -> int:
        """Return how many branches run side by side, at most."""
        return max(task.concurrency for task in self.tasks)

    @property
    def shares_servers(self) -> bool:
        """Return whether there are servers that all agents of a worker use together (`lifetime: worker`)."""
        return any(toolbox.server_params.lifetime == "worker" for toolbox in self.toolboxes.values())

    @property
    def tokens(self) -> list[str]:
        """Return the names of the variables that hold models' keys, sorted, as the config and the tasks give them."""
        settings = [*self.config.model_settings.values(), *(task.model_settings for task in self.tasks)]
        settings += [choice.model_settings for task in self.tasks for choice in task.models]
        return sorted({str(setting["token"]) for setting in settings if setting.get("token")})

    def toolboxes_of(self, task: Task) -> dict[str, Toolbox]:
        """Return the task's toolboxes, else the union over its agents, first seen first (specification section 3)."""
        names = task.toolboxes
        if names is None:
            names = tuple(name for agent in task.agents for name in self.personalities[agent].toolboxes)
        return {name: self.toolboxes[name] for name in dict.fromkeys(names)}
