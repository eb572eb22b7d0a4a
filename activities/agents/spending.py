"""Whether an agent run may ask its model once more (specification section 11)."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import openai
from temporalio import activity

from activities.agents import model_errors
from activities.storage.journal import Journal
from grammar.budgets import allowance
from grammar.errors import BadRequest, ModelAccess, RateLimited, TaskError
from grammar.messages.activity_results import Usage
from grammar.messages.budgets import Allowance


class AllowedSpending:
    """Hold an agent run to its allowance; None: it has none, and nothing is noted.

    `used`: returns what it has used so far, in all legs. `model`: the provider's id of its model.
    """

    def __init__(self, given: Allowance | None, journal: Journal) -> None:
        self._given = given
        self._journal = journal
        self._started = time.monotonic()
        self.used: Callable[[], Usage] = Usage
        self.model = ""

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Make a request in the block, or end the leg. It is written down first: what is lost on the way is paid for.

        Raises ModelUnavailable, which ends the leg, and ModelAccess where a price is missing.
        """
        if self._given is None:
            yield
            return
        if allowance.is_unpriced(self._given, self.model):
            raise ModelAccess(
                f"no price is known of the model {self.model}, and a budget limits dollars: put it under `prices` in "
                "the model config, or limit tokens"
            )
        if allowance.is_used_up(self._given, self.model, self.used(), self._seconds()):
            self._journal.leave_off("budget")
        await self._journal.note_request()
        try:
            yield
        except Exception as error:
            if _is_free(error):
                await self._journal.note_refusal()
            raise

    def _seconds(self) -> float:
        """By the server's clock until the attempt began, then by this machine's: the two may differ."""
        info = activity.info()
        waited = (info.started_time - info.scheduled_time).total_seconds()
        return waited + time.monotonic() - self._started


def _is_free(error: Exception) -> bool:
    """Return whether the endpoint refused the request, so that there is nothing to pay."""
    if isinstance(error, openai.APIStatusError):
        return True
    told = error
    if not isinstance(error, TaskError) and isinstance(error, model_errors.EXPECTED):
        told = model_errors.from_exception(error)
    return isinstance(told, RateLimited | BadRequest | ModelAccess)
