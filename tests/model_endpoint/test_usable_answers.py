"""Which answers count: of those that do not, what is paid for and what is asked anew."""

from typing import Any

import pytest
from agents import Model, ModelSettings
from agents.models.interface import ModelTracing
from openai.types.responses import Response, ResponseCompletedEvent

from activities.agents.recorded_model import RecordedModel
from activities.agents.spending import AllowedSpending
from activities.agents.tool_outputs import as_taken
from activities.process.secrets import Secrets
from activities.storage.journal import Journal
from activities.storage.journal_heartbeat import HeartbeatJournal
from activities.toolboxes.offered_tools import OfferedTools
from grammar.errors import AnswerCut, EmptyAnswer, ModelRefused
from tests.model_endpoint.asking import USAGE, call, chunk, message, model, response, sent

WHOLE = sent(chunk({"content": "Hi"}), chunk({}, "stop"), USAGE)
EMPTY = sent(chunk({"content": " \n"}), chunk({}, "stop"), USAGE)
CUT = sent(chunk({"content": "Ports 22, 80, 4"}), chunk({}, "length"), USAGE)
FILTERED = sent(chunk({"content": "Ports"}), chunk({}, "content_filter"), USAGE)
REFUSED = sent(chunk({"refusal": "I will not say that."}), chunk({}, "stop"), USAGE)
CALL = sent(call(0, "call_0", "f", '{"x": 1}'), chunk({}, "tool_calls"), USAGE)


class Attempts:
    """One agent run, attempt after attempt, on the lines of one journal."""

    def __init__(self, is_value: bool = True, is_toy: bool = False) -> None:
        self.store = HeartbeatJournal([])
        self.is_value = is_value
        self.is_toy = is_toy
        self.warnings: list[str] = []

    async def journal(self) -> Journal:
        journal = Journal(self.store, "run", Secrets([], "key"))
        await journal.open()
        return journal

    async def ask(self, answers: Model, journal: Journal, given: Any = "Hello") -> Response:
        recorded = RecordedModel(
            answers, journal, lambda: False, self.is_value, self.warnings, OfferedTools({}, ()),
            AllowedSpending(None, journal), is_toy=self.is_toy,
        )  # fmt: skip
        last: object = None
        events = recorded.stream_response(
            None, given, ModelSettings(tool_choice="auto", include_usage=True), [], None, [], ModelTracing.DISABLED,
            previous_response_id=None, conversation_id=None, prompt=None,
        )  # fmt: skip
        async for event in events:
            last = event
        assert isinstance(last, ResponseCompletedEvent)
        return last.response


async def test_an_empty_answer_is_asked_for_once_more() -> None:
    run = Attempts()
    journal = await run.journal()
    assert (await run.ask(model(EMPTY, WHOLE), journal)).output_text == "Hi"
    assert (journal.unusable.requests, journal.unusable.input_tokens) == (1, 10)
    again = await run.journal()
    assert (await run.ask(model(), again)).output_text == "Hi"  # from the journal: nothing is asked
    assert again.unusable.requests == 1


async def test_an_answer_that_is_empty_twice() -> None:
    run = Attempts()
    journal = await run.journal()
    with pytest.raises(EmptyAnswer):
        await run.ask(model(EMPTY, EMPTY), journal)
    assert journal.unusable.requests == 2


async def test_an_empty_answer_is_fine_where_tools_give_the_value() -> None:
    run = Attempts(is_value=False)
    assert (await run.ask(model(EMPTY), await run.journal())).output_text == " \n"


@pytest.mark.parametrize(("content", "words"), [(CUT, "raise `max_tokens`"), (FILTERED, "content filter")])
async def test_an_answer_that_is_cut_is_no_value(content: bytes, words: str) -> None:
    run = Attempts()
    journal = await run.journal()
    with pytest.raises(AnswerCut, match=words):
        await run.ask(model(content), journal)
    assert (journal.unusable.requests, journal.unusable.output_tokens) == (1, 5)
    assert (await run.ask(model(WHOLE), await run.journal())).output_text == "Hi"  # asked anew


async def test_an_answer_that_is_cut_is_a_warning_elsewhere() -> None:
    run = Attempts(is_value=False)
    assert (await run.ask(model(CUT), await run.journal())).output_text == "Ports 22, 80, 4"
    assert "max_tokens" in run.warnings[0]


async def test_what_the_toy_model_says_counts_where_it_is_cut() -> None:
    run = Attempts(is_toy=True)
    assert (await run.ask(model(CUT), await run.journal())).output_text == "Ports 22, 80, 4"
    assert "toy model's answer was cut off" in run.warnings[0]


async def test_a_response_that_is_cut() -> None:
    run = Attempts()
    cut = response(message("Ports"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    with pytest.raises(AnswerCut):
        await run.ask(
            model(sent({"type": "response.incomplete", "response": cut}), api="responses"), await run.journal()
        )


@pytest.mark.parametrize("is_value", [False, True])
async def test_a_refusal_is_told_in_the_models_words(is_value: bool) -> None:
    run = Attempts(is_value)
    with pytest.raises(ModelRefused, match=r"I will not say that\."):
        await run.ask(model(REFUSED), await run.journal())


async def test_what_was_taken_leniently_is_read_back_leniently() -> None:
    run = Attempts()
    lean = sent({"type": "response.completed", "response": {"output": [message("Hi")], "usage": {"input_tokens": 1}}})
    await run.ask(model(lean, api="responses"), await run.journal())
    read_back = await run.ask(model(), await run.journal())
    assert read_back.output_text == "Hi"
    assert read_back.usage
    assert read_back.usage.input_tokens == 1


async def test_a_line_of_before_that_lacks_what_the_types_require() -> None:
    run = Attempts()
    journal = await run.journal()
    await journal._write(answer=0, response={"id": "r", "output": [message("Hi")], "usage": {"input_tokens": 1}})
    assert (await run.ask(model(), await run.journal())).output_text == "Hi"


async def test_ids_of_calls_differ_from_round_to_round() -> None:
    run = Attempts()
    said = {"type": "function_call", "call_id": "call_0", "name": "f", "arguments": "{}"}
    given = [said, {"type": "function_call_output", "call_id": "call_0", "output": "ok"}]
    answer = await run.ask(model(CALL), await run.journal(), given)
    assert [item.call_id for item in answer.output if item.type == "function_call"] == ["call_0_2"]
    assert run.warnings == [
        "the model endpoint sent ids of tool calls that were empty or used before, and was understood"
    ]


async def test_a_response_that_turns_out_to_be_of_no_use_is_not_replayed() -> None:
    run = Attempts()
    journal = await run.journal()
    await run.ask(model(WHOLE), journal)
    await journal.discard_last("ModelBehaviorError")
    again = await run.journal()
    assert again.unusable.requests == 1
    assert (await run.ask(model(sent(chunk({"content": "Ho"}), chunk({}, "stop"))), again)).output_text == "Ho"


def test_texts_of_tools_are_sent_as_one() -> None:
    def output(*parts: dict[str, str]) -> dict[str, Any]:
        return {"type": "function_call_output", "call_id": "c", "output": list(parts)}

    text, image = {"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:,"}
    given = [output(text), output(text, text), output(text, image)]
    assert [item["output"] for item in as_taken(given, "nowhere")][:2] == ["a", "a\na"]
    assert isinstance(as_taken(given, "nowhere")[2]["output"], str)
    assert [item["output"] for item in as_taken(given, "in_result")] == [
        "a", "a\na", [text, image],
    ]  # fmt: skip
