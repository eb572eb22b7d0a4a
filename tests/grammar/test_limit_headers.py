"""What the headers of endpoints say of their limits."""

from datetime import UTC, datetime, timedelta

import pytest

from grammar.model_access.limit_headers import Remaining, remaining, wait_of_refusal

NOW = 1_800_000_000.0
DATE = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("2m59.56s", 179.56), ("12", 12), ("0.5", 0.5),
        (str(int(NOW) + 9), 9), (DATE.isoformat(), 30), (DATE.isoformat().replace("+00:00", "Z"), 30),
        ("2020-01-01T00:00:00Z", 0), ("99999h", 86_400), ("9" * 12, 86_400),
    ],
)  # fmt: skip
def test_until_when(reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": reset}
    found = remaining(headers, "requests", NOW)
    assert found
    assert found.amount == 3
    assert found.seconds == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "3"},
        *({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": text} for text in ("soon", "-1", "1x")),
        *(
            {"x-ratelimit-remaining-requests": text, "x-ratelimit-reset-requests": "1s"}
            for text in ("many", "-1", "1.5", "9" * 30)
        ),
    ],
)
def test_what_cannot_be_understood_is_not_said(headers: dict[str, str]) -> None:
    assert remaining(headers, "requests", NOW) is None


def test_the_names_of_providers() -> None:
    anthropic = {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": DATE.isoformat()}
    assert remaining(anthropic, "tokens", NOW) == Remaining(0, 30)
    openai = {
        "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8s",
        "x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "60s",
    }  # fmt: skip
    assert wait_of_refusal(openai, NOW) == 8
    assert wait_of_refusal({**openai, **anthropic, "x-ratelimit-remaining-tokens": ""}, NOW) == 30
    assert wait_of_refusal({}, NOW) is None
