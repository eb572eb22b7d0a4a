"""What a difference between a starter and a worker leads to: a question, a refusal, a warning; and who is told of."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.who_serves import WhoServes
from console import ask
from console.screen import open_screen
from grammar.documents.models import Task
from grammar.errors import WorkerDiffers
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import Difference
from runtime import this_process
from runtime.local_server import worker_locks
from runtime.runs import pollers, serving

FLOW = Bundle(name="flow", source="flow.yaml", tasks=[Task(run="true")])
MODEL, VERSION = Difference("model", "another model"), Difference("version", "another version")


def agree(found: list[Difference], *, yes: bool = False, is_attended: bool = False, quiet: bool = False) -> list[str]:
    """The notes. Raises WorkerDiffers."""
    notes: list[str] = []
    screen = open_screen(quiet=quiet)
    WhoServes(FLOW, screen, notes.append, yes=yes, is_attended=is_attended)._agree(found)
    return notes


def test_unattended_another_model_is_refused_and_another_version_is_not() -> None:
    assert agree([]) == []
    assert agree([VERSION]) == ["warning: another version"]
    with pytest.raises(WorkerDiffers, match=r"another model; another version\. Nothing was started"):
        agree([MODEL, VERSION])


@pytest.mark.parametrize("is_attended", [True, False])
def test_yes_goes_on_with_a_warning(is_attended: bool) -> None:
    assert agree([MODEL], yes=True, is_attended=is_attended) == ["warning: another model"]


def test_a_warning_is_told_with_quiet_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert agree([MODEL], yes=True, quiet=True) == []
    assert capsys.readouterr().err == "warning: another model\n"


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked(answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def about_workers(_: object, differences: list[str]) -> bool:
        asked.append(differences)
        return answer

    monkeypatch.setattr(ask, "about_workers", about_workers)
    if answer:
        assert agree([VERSION], is_attended=True) == []
    else:
        with pytest.raises(WorkerDiffers):
            agree([VERSION], is_attended=True)
    assert asked == [["another version"]]


@pytest.mark.parametrize("is_served", [True, False])
async def test_who_serves_a_run_that_is_joined_is_told_as_soon_as_the_server_tells(
    is_served: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The worker that this process brings serves it only where no other one does."""
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(tmp_path))

    async def recorded(*_: object) -> object:
        return this_process.setup()

    async def workers(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(serving, "recorded", recorded)
    monkeypatch.setattr(pollers, "workers", workers)
    lock = worker_locks.serve_run("taskflow/night") if is_served else None
    who = WhoServes(FLOW, open_screen(), lambda text: None, yes=False, is_attended=False)
    backend: Any = SimpleNamespace(client=None)
    await who.before_going_on(backend, "night", "taskflow/night", brings_worker=True)
    assert who._is_told is not is_served
    if lock:
        lock.release()
