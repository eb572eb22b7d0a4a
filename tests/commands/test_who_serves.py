"""What a difference between a starter and a worker leads to: a question, a refusal, a warning."""

import pytest

from commands.who_serves import WhoServes
from console import ask
from console.screen import open_screen
from grammar.documents.models import Task
from grammar.errors import WorkerDiffers
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import Difference

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
