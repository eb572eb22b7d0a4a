"""What endpoints count: as several providers word it, and whatever they say, nothing that cannot be."""

from typing import Any

import pytest

from activities.agents.recorded_model import NOTHING_COUNTED
from activities.storage.token_usage import usage_of
from grammar.messages.activity_results import Usage
from tests.model_endpoint.asking import ask, chunk, message, model, response, sent
from tests.model_endpoint.test_usable_answers import Attempts

# What an endpoint says, and (input, cached, cache_write, output, reasoning) of it.
CHAT: dict[str, tuple[dict[str, Any], tuple[int, int, int, int, int]]] = {
    "openai": (
        {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
         "prompt_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 50},
         "completion_tokens_details": {"reasoning_tokens": 150}},
        (1000, 900, 50, 200, 150),
    ),
    "deepseek": (
        {"prompt_tokens": 1000, "completion_tokens": 20,
         "prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100},
        (1000, 900, 0, 20, 0),
    ),
    "moonshot": ({"prompt_tokens": 1000, "completion_tokens": 20, "cached_tokens": 900}, (1000, 900, 0, 20, 0)),
    "litellm": (
        {"prompt_tokens": 1000, "completion_tokens": 20, "cache_read_input_tokens": 900,
         "cache_creation_input_tokens": 60},
        (1000, 900, 60, 20, 0),
    ),
    "xai thinks beside its output": (
        {"prompt_tokens": 10120, "completion_tokens": 1499, "total_tokens": 14428,
         "prompt_tokens_details": {"cached_tokens": 128}, "completion_tokens_details": {"reasoning_tokens": 2809}},
        (10120, 128, 0, 4308, 2809),
    ),
    "gemini thinks and does not say so": (
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
        (20, 0, 0, 603, 405),
    ),
    "more cached than read": (
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 900}},
        (10, 10, 0, 5, 0),
    ),
    "more cached and written than read": (
        {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 8}},
        (10, 8, 2, 0, 0),
    ),
    "more thought than written": (
        {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 7}},
        (10, 0, 0, 5, 5),
    ),
    "negative": ({"prompt_tokens": -10, "completion_tokens": -1, "total_tokens": -11}, (0, 0, 0, 0, 0)),
    "huge": ({"prompt_tokens": 10**9, "completion_tokens": 1e300, "total_tokens": 10**400}, (0, 0, 0, 0, 0)),
    "texts": ({"prompt_tokens": "many", "completion_tokens": [], "prompt_tokens_details": "none"}, (0, 0, 0, 0, 0)),
}  # fmt: skip


def counts(usage: Usage) -> tuple[int, int, int, int, int]:
    return (
        usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens, usage.reasoning_tokens,
    )  # fmt: skip


@pytest.mark.parametrize(("told", "expected"), CHAT.values(), ids=CHAT)
async def test_a_chat_completion(told: dict[str, Any], expected: tuple[int, ...]) -> None:
    received = await ask(sent(chunk({"content": "Hi"}), chunk({}, "stop"), {"choices": [], "usage": told}))
    assert counts(usage_of(received.response.usage)) == expected


async def test_usage_in_each_chunk_is_that_of_the_last_one_that_has_any() -> None:
    def told(written: int) -> dict[str, Any]:
        details = {"cached_tokens": 900 if written > 1 else 0}
        return {"prompt_tokens": 1000, "completion_tokens": written, "prompt_tokens_details": details}

    chunks = [chunk({"content": "Hi"}, usage=told(1)), chunk({}, "stop", usage=told(2)), {"choices": [], "usage": {}}]
    received = await ask(sent(*chunks))
    assert counts(usage_of(received.response.usage)) == (1000, 900, 0, 2, 0)


async def test_a_response() -> None:
    told = {
        "input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200,
        "input_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 200},
        "output_tokens_details": {"reasoning_tokens": 150},
    }  # fmt: skip
    whole = response(message("Hi"), usage=told)
    received = await ask(sent({"type": "response.completed", "response": whole}, done=False), "responses")
    assert counts(usage_of(received.response.usage)) == (1000, 900, 100, 200, 150)


async def test_a_request_without_usage_counts_as_one_also_from_the_journal() -> None:
    run = Attempts()
    silent = sent(chunk({"content": "Hi"}), chunk({}, "stop"))
    for answers in (model(silent), model()):
        assert (await run.ask(answers, await run.journal())).usage == NOTHING_COUNTED
    assert usage_of(NOTHING_COUNTED) == Usage(requests=1)
