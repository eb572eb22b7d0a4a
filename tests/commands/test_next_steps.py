"""The commands that are printed are those that can be typed."""

import io
import shlex
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Literal, cast

import pytest
from rich.console import Console

from commands import next_steps
from grammar.messages.reports import Approval, Failure, Parked
from runtime.backend import Backend

RUN = "it's mine; ls"


@pytest.mark.parametrize(
    ("argv", "program"),
    [("starter.py", ["python", "starter.py"]), ("/usr/bin/taskflow", ["taskflow"]), ("taskflow-worker", ["taskflow"])],
)
@pytest.mark.parametrize("kind", ["approval", "unknown_outcome"])
def test_the_answer_to_a_call(
    kind: Literal["approval", "unknown_outcome"], argv: str, program: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [argv])
    call = Approval(
        id="task-1-call-1", kind=kind, task="t", branch="", tool="wipe", toolbox="box", arguments="{}",
        since=datetime.now(UTC),
    )  # fmt: skip
    told, _, command = next_steps.answer(RUN, call).partition("answer with: ")
    assert "wipe" in told
    assert "`reject`" in told
    assert shlex.split(command) == [*program, "approve", RUN, "task-1-call-1"]


def test_what_goes_on_with_a_parked_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["starter.py"])
    backend = cast(Backend, SimpleNamespace(address="127.0.0.1:7233", client=SimpleNamespace(namespace="default")))
    failure = Failure(task="t", type="BadRequest", message="no")
    console = Console(file=io.StringIO(), width=10_000)
    next_steps.print_parked(console, backend, RUN, Parked(task="t", failure=failure, since=datetime.now(UTC)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    ours = [
        shlex.split(line.strip().partition("  ")[0])[2:] for line in lines if line.startswith("  python starter.py ")
    ]
    assert ours == [["retry", RUN], ["skip", RUN], ["set-output", RUN, "JSON"], ["abort", RUN]]
    signals = [shlex.split(line) for line in lines if line.startswith("  temporal ")]
    assert [words[words.index("--name") + 1] for words in signals] == ["retry", "skip", "abort", "set_output"]
    assert {words[words.index("--workflow-id") + 1] for words in signals} == {RUN}
