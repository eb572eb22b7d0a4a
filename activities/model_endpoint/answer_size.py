"""How much a model says in one answer, counted as it comes."""

from grammar.errors import ModelUnavailable
from grammar.limits import ANSWER

CALL_SIZE = 8192
"""What a call counts as beside its arguments, in characters: of thousands, nothing good can come."""


class AnswerSize:
    """Count what the model says: the SDK puts the whole of it together anew with each delta."""

    def __init__(self) -> None:
        self._said = 0
        self._limit = ANSWER.value

    def add(self, size: int) -> None:
        """Add so many characters. Raises ModelUnavailable for more than a worker takes in."""
        self._said += size
        if self._said > self._limit:
            raise ModelUnavailable(f"the model said more in one answer than {ANSWER.told}")
