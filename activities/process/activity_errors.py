"""Exceptions of the outside world, and which TaskError each is (specification section 7)."""

import email.utils
import errno
import logging
import math
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.process.secrets import mask_all
from grammar.documents.values import encodable
from grammar.errors import BUG, RateLimited, StorageFailed, TaskError
from grammar.messages.activity_results import FailureDetails, TranscriptEntry, Usage
from grammar.model_access import rate_limit

log = logging.getLogger(__name__)

# How many transcript entries a final failure records. (Of a failure that is not final, Temporal keeps 4 KB at most.)
LAST_ENTRIES = 20
# Characters of a foreign text that are looked at to tell of it.
MOST_OF_TEXT = 64_000
# A disk that is full, damaged, or not to be written to: no bug, and it can be mended.
OF_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}


@contextmanager
def application_errors(redact: Callable[[str], str]) -> Iterator[None]:
    """Turn whatever the body raises into one ApplicationError without secrets: the edge of every activity.

    `redact`: takes the secrets out of a text.
    """
    try:
        yield
    except TaskError as error:
        raise as_application_error(error, redact) from None
    except ApplicationError:
        raise
    except OSError as error:
        if error.errno not in OF_STORAGE:
            raise _bug(error, redact) from None
        raise as_application_error(storage_failed(error), redact) from None
    except Exception as error:  # the edge: a bug of ours is reported as one, with its traceback
        raise _bug(error, redact) from None


def storage_failed(error: OSError) -> StorageFailed:
    """Return the error for a file that could not be written or read."""
    where = f": {error.filename}" if error.filename else ""
    return StorageFailed(f"a file could not be written or read: {error.strerror}{where}")


def _bug(error: Exception, redact: Callable[[str], str]) -> ApplicationError:
    details = redact("".join(traceback.format_exception(error)))
    log.error("unexpected error in activity %s\n%s", activity.info().activity_type, details)
    message = redact(f"{type(error).__name__}: {error}")
    return ApplicationError(message, details, type=BUG, non_retryable=True)


def as_application_error(error: TaskError, redact: Callable[[str], str]) -> ApplicationError:
    """Return the error that Temporal records; it says whether and when there is another attempt."""
    attempt = activity.info().attempt
    delay = rate_limit.delay(error.retry_after, attempt) if isinstance(error, RateLimited) else None
    return ApplicationError(
        redact(str(error)),
        _failure_details(error),
        type=type_name(error),
        non_retryable=not error.retryable,
        next_retry_delay=timedelta(seconds=delay) if delay is not None else None,
    )


def _failure_details(error: TaskError) -> FailureDetails:
    usage = error.usage if isinstance(error.usage, Usage) else Usage()
    details = FailureDetails(usage=usage, model=error.model, attempts=activity.info().attempt)
    if not (isinstance(error.said, list) and _is_final(error)):
        return details
    entries: list[TranscriptEntry] = error.said[-LAST_ENTRIES:]
    return details.model_copy(update={"said": entries, "first": len(error.said) - len(entries)})


def _is_final(error: TaskError) -> bool:
    """Whether Temporal makes no further attempt."""
    info = activity.info()
    policy = info.retry_policy
    if policy is None or not error.retryable or type_name(error) in (policy.non_retryable_error_types or ()):
        return True
    return 0 < policy.maximum_attempts <= info.attempt


def type_name(error: TaskError) -> str:
    """Return the name of the error's class in grammar/errors.py: the type that histories hold."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "grammar.errors")


def retry_after(headers: dict[str, str]) -> float | None:
    """Return the seconds that a response asks to wait for, at most a day; None where it asks for none.

    They are in the header `retry-after-ms`, or in `retry-after`, in seconds or as a date.
    """
    if milliseconds := _number(headers.get("retry-after-ms", "")):
        return min(milliseconds / 1000, rate_limit.LONGEST_WAIT)
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return min(seconds, rate_limit.LONGEST_WAIT)
    if (date := _date(value)) is not None:
        return min(max(0.0, date - time.time()), rate_limit.LONGEST_WAIT)
    return None


def one_line(text: str, limit: int = 500) -> str:
    """Return the text on one line, cut to `limit` characters, masked before: what is cut is not recognised."""
    line = encodable(re.sub(r"\s+", " ", mask_all(text[:MOST_OF_TEXT])).strip())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else max(0.0, number)


def _date(text: str) -> float | None:
    parts = email.utils.parsedate_tz(text)
    try:
        return email.utils.mktime_tz(parts) if parts else None
    except (ValueError, OverflowError):
        return None
