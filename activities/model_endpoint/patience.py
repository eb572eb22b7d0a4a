"""How long an endpoint is waited for that sends something, and says nothing: comments, or an error letter by letter."""

import time

from grammar.errors import ModelUnavailable
from grammar.limits import SILENCE


class Patience:
    """Measure the time since the endpoint last said something. Where it sends nothing, the client's timeout counts."""

    def __init__(self) -> None:
        self._limit = SILENCE.value
        self.renew()

    def renew(self) -> None:
        """Begin anew: it has said something."""
        self._since = time.monotonic()

    def check(self) -> None:
        """Raise ModelUnavailable where it has said nothing for too long."""
        if time.monotonic() - self._since > self._limit:
            raise ModelUnavailable(f"the model endpoint sent no event for {SILENCE.told}")
