"""An error as its provider tells it, in whatever form, and which TaskError it is (specification section 7)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from activities.model_endpoint.foreign_json import excerpt
from activities.model_endpoint.provider_error_table import QUOTA_PER_DAY, QUOTA_PER_MINUTE, TABLE, Row
from grammar.errors import (
    BadRequest,
    ContextTooLong,
    ModelAccess,
    ModelUnavailable,
    QuotaExhausted,
    RateLimited,
    TaskError,
)
from grammar.model_access.rate_limit import LONGEST_WAIT

# Characters of a message in which words are looked for.
MOST_OF_MESSAGE = 4_000
# Statuses with which an endpoint may say when to come back; of others, RFC 9110 has no such meaning.
_MAY_SAY_WHEN = (429, 503, 529)
# The statuses of errors that come in a stream, whose own is 200 (docs.anthropic.com/en/api/errors).
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 504,
}
# Google's own form of a duration (google.protobuf.Duration), as in `34s` and `34.07s`.
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


@dataclass(frozen=True)
class ProviderError:
    """An error as its provider tells it. `status`: HTTP's, or what stands for it in the error; None: there is none.

    `wait`: the seconds after which it says to ask again; None: it does not say. `said`: the message, in small letters
    and longer than it is shown: what is looked for may stand at its end.
    """

    message: str
    codes: tuple[str, ...] = ()
    status: int | None = None
    wait: float | None = None
    said: str = ""

    @classmethod
    def of(cls, body: object, status: int | None = None) -> "ProviderError":
        """Understand an error's body, in whatever form: `{"error": {...}}`, a list of it, `{"detail": ...}`, a text."""
        whole = body[0] if isinstance(body, list) and body else body
        found = whole.get("error", whole) if isinstance(whole, Mapping) else whole
        if not isinstance(found, Mapping):
            text = str(found)
            return cls(excerpt(text), (), status, said=text[:MOST_OF_MESSAGE].lower())
        codes = [str(found[name]).lower() for name in ("code", "type", "status") if found.get(name) is not None]
        inner = found.get("innererror")
        if isinstance(inner, Mapping) and inner.get("code"):
            codes.append(str(inner["code"]).lower())
        details = [detail for detail in _list(found.get("details")) if isinstance(detail, Mapping)]
        codes += _quotas(details)
        text = _words(found)
        said = text[:MOST_OF_MESSAGE].lower()
        return cls(excerpt(text), tuple(codes), status or _status(codes), _wait(details), said)

    def meaning(self) -> type[TaskError]:
        """Return the class that it stands for: by the table, else by the status."""
        return next((row.meaning for row in TABLE if self._fits(row)), None) or _by_status(self.status)

    def _fits(self, row: Row) -> bool:
        return any(code in row.codes for code in self.codes) or any(words in self.said for words in row.words)

    def raised(self, retry_after: float | None = None) -> TaskError:
        """Return it as the error to raise. `retry_after`: the seconds that the response's headers ask to wait."""
        meaning = self.meaning()
        asked = self.wait if retry_after is None else retry_after
        text = f"{self.status} {self.message}" if self.status else self.message
        says_when = meaning is ModelUnavailable and asked is not None and self.status in _MAY_SAY_WHEN
        return RateLimited(text, asked) if says_when or issubclass(meaning, RateLimited) else meaning(text)


def _words(found: Mapping[str, Any]) -> str:
    for name in ("message", "detail", "msg", "error"):
        if found.get(name):
            return str(found[name])
    return str(dict(found))


def _status(codes: list[str]) -> int | None:
    numbers = (int(code) for code in codes if code.isdecimal() and 400 <= int(code[:4]) <= 599)
    return next(numbers, None) or next((_STATUS_OF[code] for code in codes if code in _STATUS_OF), None)


def _quotas(details: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which quotas are used up, as Google's QuotaFailure names them."""
    for detail in details:
        for violation in _list(detail.get("violations")):
            name = str(violation.get("quotaId")).lower() if isinstance(violation, Mapping) else ""
            if "perday" in name:
                yield QUOTA_PER_DAY
            elif "perminute" in name:
                yield QUOTA_PER_MINUTE


def _wait(details: list[Mapping[str, Any]]) -> float | None:
    """Return the seconds that Google's RetryInfo asks to wait, at most a day."""
    told = (_DURATION.fullmatch(str(detail.get("retryDelay"))) for detail in details)
    return next((min(float(found[1]), LONGEST_WAIT) for found in told if found), None)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _by_status(status: int | None) -> type[TaskError]:
    if status == 529:
        return RateLimited
    if status is None or status >= 500 or status in (408, 409, 425):
        return ModelUnavailable
    if status == 429:
        return RateLimited
    if status == 402:
        return QuotaExhausted
    if status == 413:
        return ContextTooLong
    return ModelAccess if status in (401, 403, 404) else BadRequest
