"""What fields are called elsewhere: the table belongs to the grammar."""

import re

import pytest

from grammar.documents import other_names
from grammar.documents.budget import Budget
from grammar.documents.document import Document
from grammar.documents.models import KINDS, Retry, ServerParams, Task

MODELS: list[type[Document]] = [*KINDS.values(), Task, ServerParams, Retry, Budget]
KNOWN = {name for model in MODELS for name in model.known_fields()} | {"endpoint", "token", "agents"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_named_is_a_field(model: type[Document]) -> None:
    told = other_names._ADVICE.get(model, {})
    named = {name for text in told.values() for name in re.findall(r"`(\w+)", text)}
    assert named <= KNOWN | {"outputs", "cd", "by"}


def test_a_name_is_found_however_it_is_written() -> None:
    assert (
        other_names.advice(Task, "forEach")
        == other_names.advice(Task, "for-each")
        == other_names.advice(Task, "for_each")
    )
    assert other_names.advice(Task, "nothing_of_the_kind") is None
