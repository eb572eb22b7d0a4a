"""What providers say when they refuse: what is waited for, what needs a person, and what is wrong with the request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.model_endpoint.provider_error_table import TABLE
from activities.model_endpoint.provider_errors import ProviderError
from activities.process.activity_errors import retry_after
from grammar.errors import RateLimited
from grammar.failure_policy import ends_run
from grammar.loading.hints import hint
from grammar.model_access.rate_limit import LONGEST_WAIT

# Gemini's, for whatever limit it is.
QUOTA_WORDS = "You exceeded your current quota, please check your plan and billing details."


def google(*quotas: str, delay: str = "34s") -> list[dict[str, Any]]:
    violations = [{"quotaId": f"GenerateRequests{quota}PerProjectPerModel-FreeTier"} for quota in quotas]
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    return [{"error": {"code": 429, "message": QUOTA_WORDS, "status": "RESOURCE_EXHAUSTED", "details": details}}]


def said(message: str, **codes: str | int) -> dict[str, Any]:
    return {"error": {"message": message, **codes}}


SAID: list[tuple[object, int | None, str]] = [
    # Quota and credit, in whatever status.
    (said("m", code="insufficient_quota"), 429, "QuotaExhausted"),
    (said(QUOTA_WORDS), 429, "QuotaExhausted"),
    (said("Billing hard limit has been reached", code="billing_hard_limit_reached"), 400, "QuotaExhausted"),
    (said("Your credit balance is too low", type="invalid_request_error"), 400, "QuotaExhausted"),
    (said("You have reached your specified API usage limits. You will regain access on 2026-12-01", type="x"), 400,
     "QuotaExhausted"),
    (said("Extra usage is required for long context requests.", type="rate_limit_error"), 429, "QuotaExhausted"),
    (said("m"), 402, "QuotaExhausted"),
    (said("m", code=402), None, "QuotaExhausted"),  # in a stream
    (said("Key limit exceeded (total limit)", code=403), 403, "QuotaExhausted"),
    (said("You have no quota", code="quota_exceeded"), 402, "QuotaExhausted"),
    ({"code": "no", "error": "Your team 1 has either used all available credits or reached its monthly limit"}, 403,
     "QuotaExhausted"),
    (said("Insufficient Balance", type="unknown_error"), 402, "QuotaExhausted"),
    (google("PerMinute", "PerDay"), 429, "QuotaExhausted"),
    # Limits that pass by themselves.
    (google("PerMinute"), 429, "RateLimited"),
    (said(f"{QUOTA_WORDS} {'* Quota exceeded for metric: x ' * 9}\nPlease retry in 45.57s.", status="x"), 429,
     "RateLimited"),
    (said("Rate limit reached for requests", code="rate_limit_exceeded"), 429, "RateLimited"),
    (said("m", type="overloaded_error"), 529, "RateLimited"),
    (said("m", type="overloaded_error"), None, "RateLimited"),
    ("", 529, "RateLimited"),
    (said("m"), 429, "RateLimited"),
    # Who asks, from where, and for which model.
    (said("Country, region, or territory not supported", code="unsupported_country_region_territory"), 403,
     "RegionRefused"),
    (said("User location is not supported for the API use.", status="FAILED_PRECONDITION"), 400, "RegionRefused"),
    (said("m", code="model_not_found"), 404, "ModelAccess"),
    (said("The model `x` does not exist or you do not have access to it.", type="BadRequestError"), 400, "ModelAccess"),
    (said("The requested model is not supported.", code="model_not_supported"), 400, "ModelAccess"),
    (said("model access denied"), 403, "ModelAccess"),
    (said("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT"), 400, "ModelAccess"),
    (said("m", type="authentication_error"), None, "ModelAccess"),
    (said("m"), 401, "ModelAccess"),
    (said("m"), 403, "ModelAccess"),
    # The request.
    (said("prompt is too long: 9 tokens > 8 maximum"), 400, "ContextTooLong"),
    (said("m", code="context_length_exceeded"), 400, "ContextTooLong"),
    (said("the request exceeds the available context size"), 400, "ContextTooLong"),
    (said("9 exceeds the maximum number of tokens allowed"), 400, "ContextTooLong"),
    (said("m", code="tokens_limit_reached"), 413, "ContextTooLong"),
    (said("Request too large for gpt-4o on tokens per min: Limit 3, Requested 4.", code="rate_limit_exceeded"), 429,
     "ContextTooLong"),
    (said("m", code="content_filter", status=400), 400, "ContentFiltered"),
    ({"error": {"message": "m", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, 400, "ContentFiltered"),
    (said("Your chosen model requires moderation and your input was flagged", code=403), 403, "ContentFiltered"),
    (said("m", type="invalid_request_error"), None, "BadRequest"),
    ({"detail": [{"msg": "extra"}]}, 422, "BadRequest"),
    # The endpoint.
    (said("The model is overloaded. Please try again later.", status="UNAVAILABLE"), 503, "ModelUnavailable"),
    ("a text", 503, "ModelUnavailable"),
    ([], 500, "ModelUnavailable"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "kind"), SAID)
def test_what_providers_say(body: object, status: int | None, kind: str) -> None:
    assert ProviderError.of(body, status).meaning().__name__ == kind


def test_what_needs_a_person_says_what_to_do() -> None:
    """And nothing of it is tried again: the run parks at once."""
    needs_a_person = {row.meaning.__name__ for row in TABLE if ends_run(row.meaning.__name__)}
    assert needs_a_person == {"QuotaExhausted", "RegionRefused", "ModelAccess"}
    assert all(hint(kind) for kind in needs_a_person)
    assert all(row.source and (row.codes or row.words) for row in TABLE)


@pytest.mark.parametrize(
    ("body", "status", "headers", "wait"),
    [
        ("slow down", 429, {"retry-after": "7"}, 7),
        ("slow down", 429, {"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ("slow down", 429, {}, None),
        (said("m", type="overloaded_error"), 529, {"retry-after": "3"}, 3),
        ("come back", 503, {"retry-after": "30"}, 30),
        (google("PerMinute"), 429, {}, 34),
        (google("PerMinute", delay="34.07s"), 429, {"retry-after": "2"}, 2),
        (google("PerMinute", delay="1e999s"), 429, {}, None),
        (google("PerMinute", delay="999999999s"), 429, {}, LONGEST_WAIT),
    ],
)
def test_how_long_an_endpoint_asks_to_wait(
    body: object, status: int, headers: dict[str, str], wait: float | None
) -> None:
    error = ProviderError.of(body, status).raised(retry_after(headers))
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


def test_what_fails_without_saying_when_is_no_wait() -> None:
    assert not isinstance(ProviderError.of("gone", 503).raised(), RateLimited)
    assert not isinstance(ProviderError.of("broken", 500).raised(retry_after({"retry-after": "30"})), RateLimited)


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [
        ("-3", 0, 0),
        ("1e300", LONGEST_WAIT, LONGEST_WAIT),
        ("nan", None, None),
        ("soon", None, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT, LONGEST_WAIT),
    ],
)
def test_a_wait_is_bounded(told: str, least: float | None, most: float | None) -> None:
    seconds = retry_after({"retry-after": told})
    if least is None or most is None:
        assert seconds is None
    else:
        assert seconds is not None
        assert least <= seconds <= most


def test_a_wait_until_a_date() -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    seconds = retry_after({"retry-after": f"{in_an_hour:%a, %d %b %Y %H:%M:%S GMT}"})
    assert seconds is not None
    assert 3_500 <= seconds <= 3_600
