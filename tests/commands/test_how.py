"""The commands that are printed are those that can be typed."""

import shlex
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Literal, cast

import pytest

from commands import next_steps
from grammar.messages.reports import Approval
from runtime.backend import Backend


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [("approval", "approve", "reject"), ("unknown_outcome", "retry_call", "skip_call")],
)
def test_the_answer_to_a_call(kind: Literal["approval", "unknown_outcome"], yes: str, no: str) -> None:
    here = cast(Backend, SimpleNamespace(address="127.0.0.1:7233", client=SimpleNamespace(namespace="default")))
    call = Approval(
        id="task-1-call-1", kind=kind, task="t", branch="", tool="wipe", toolbox="box", arguments="{}",
        since=datetime.now(UTC),
    )  # fmt: skip
    told, _, command = next_steps.answer(here, "it's mine; ls", call).partition("answer with: ")
    assert "wipe" in told
    assert f"--name {no}" in told
    assert shlex.split(command) == [
        *("temporal", "workflow", "signal", "--address", "127.0.0.1:7233", "--namespace", "default"),
        *("--workflow-id", "it's mine; ls", "--name", yes, "--input", '"task-1-call-1"'),
    ]
