"""The models of a branch: its own, and its fallbacks, which go on where an endpoint fails (specification section 7)."""

from collections.abc import Callable
from datetime import datetime, timedelta

from grammar import failure_policy
from grammar.documents.models import ModelConfig, Task
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.activity_results import BranchResult
from grammar.messages.asked_models import AskedModel
from grammar.model_access import model_choice
from workflows.deployment import retry_policy
from workflows.records.branch_record import BranchRecord
from workflows.records.cooldowns import Cooldowns


class BranchModels:
    """Choose which of its models a branch asks. A script has one that is never asked."""

    def __init__(self, task: Task, config: ModelConfig, cooldowns: Cooldowns, branch: BranchRecord) -> None:
        choice = branch.branch.choice
        self._task = task
        self._specs = model_choice.chain(task, config, choice)[: None if task.run is None else 1]
        self._patience = model_choice.fallback_after(task, config, choice)
        self._names = [name or "" for name in model_choice.names(task, config, choice)]
        self._cooldowns = cooldowns
        self._branch = branch
        self._is_trial = False

    @property
    def are_several(self) -> bool:
        """Return whether there is a fallback."""
        return len(self._specs) > 1

    @property
    def has_next(self) -> bool:
        """Return whether there is another model after the one that is asked."""
        return self._branch.model + 1 < len(self._specs)

    @property
    def name(self) -> str:
        """Return the name of the model that is asked, as people read it."""
        return self._names[self._branch.model] or "the default model"

    @property
    def answers(self) -> int:
        """Return how many answers the model that is asked gave so far, to whichever branch."""
        return self._cooldowns.answers(self._spec)

    @property
    def _spec(self) -> ModelSpec:
        return self._specs[self._branch.model]

    def choose(self) -> None:
        """Choose the model of the next leg: that of the last one, unless it cools down, else the next that does not.

        The last model of all is asked in any case.
        """
        while self.has_next and not self._is_trial and not self._cooldowns.allows(self._spec):
            self._branch.model += 1
        self._is_trial = self._is_trial or (self.has_next and self._cooldowns.ask(self._spec))
        if self.are_several:
            named = self._names[self._branch.model]
            self._branch.asking = AskedModel(named=named, model=self._spec.name or "")

    def note(self, result: BranchResult | None) -> None:
        """Note whether the model answered in a leg that has ended. None: the leg failed, and that is not known."""
        leg = result.leg if result else None
        if result and (leg is None or leg.reason == "approval" or leg.turns > self._branch.turns):
            self._cooldowns.count(self._spec, max(1, leg.turns - self._branch.turns) if leg else 1)
            self._end_trial(self._cooldowns.end)
        elif leg is None or leg.reason not in ("rate_limited", "unavailable"):
            self._end_trial(self._cooldowns.give_back)

    def _end_trial(self, end: Callable[[ModelSpec], None]) -> None:
        if self._is_trial:
            self._is_trial = False
            end(self._spec)

    def is_given_up(self, kind: str, attempts: int, since: datetime, until: datetime) -> bool:
        """Return whether the next model goes on, instead of another attempt at `until`.

        `kind`: the type of the failure. `attempts`: how many had no answer, the first of them at `since`.
        """
        policy = retry_policy(self._task)
        if self._is_trial or not failure_policy.is_retried(kind) or kind in (policy.non_retryable_error_types or ()):
            return True
        if self._patience is not None:
            return until > since + timedelta(seconds=self._patience)
        return attempts >= policy.maximum_attempts

    def go_on(self, asked: float | None) -> str:
        """Have the model cool down, and move on to the next. Return the name of the one that failed.

        `asked`: the seconds that the endpoint asks to wait for; None: it did not say.
        """
        failed = self.name
        self._cooldowns.begin(self._spec, asked)
        self._is_trial = False
        self.choose()
        return failed
