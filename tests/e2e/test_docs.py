"""What the docs have a reader do, done: the pages' own files and commands."""

import json
import os
import shlex
import sysconfig

from tests.docs.pages import ROOT, blocks, files, typed
from tests.e2e.conftest import Desk, ServedDesk, end
from tests.support.waiting import until

FIVE_MINUTES = ROOT / "docs/index.md"
TOOLBOXES = ROOT / "docs/toolboxes.md"


def words(page_command: str) -> list[str]:
    """The arguments of the one command of the five minutes that begins so."""
    (found,) = {command for command in typed(FIVE_MINUTES) if command.startswith(page_command)}
    return shlex.split(found.partition("starter.py")[2] or found.partition("temporal")[2])


def test_a_mistake_is_told_as_the_page_says(desk: Desk) -> None:
    sample = desk.run("sample").out
    wrong = sample.replace("over: outputs.animals", "over: outputs.animal").replace("repeat_prompt:", "repeat_promt:")
    desk.write("my.yaml", wrong)
    (shown,) = [text for text in blocks(FIVE_MINUTES, "console") if "starter.py lint" in text]
    assert shown.endswith(desk.run(*words("python starter.py lint")).out)
    desk.write("my.yaml", sample)
    assert "0 errors, 0 warnings" in desk.run(*words("python starter.py lint")).out


def test_a_failure_is_rehearsed_and_mended(served: ServedDesk) -> None:
    served.write("my.yaml", served.run("sample").out)
    served.write("my.dry.yaml", files(FIVE_MINUTES)["my.dry.yaml"])
    failed = served.run(*words("python starter.py my.yaml --dry-run"))
    (shown,) = [text for text in blocks(FIVE_MINUTES, "console") if "--id first" in text]
    told = (failed.err + failed.out).splitlines()
    assert failed.code == 1
    assert [line for line in shown.splitlines()[1:] if line not in told] == []
    mended = served.run(*words("python starter.py retry first"))
    assert (mended.code, mended.err.count("✓ item")) == (0, 1), mended.err
    assert "first" in served.run("list").out
    assert served.run(*words("python starter.py report")).code == 0
    assert "fact about the bee" in (served.folder / "first.html").read_text(encoding="utf-8")


def test_a_question_is_answered_from_elsewhere(desk: Desk) -> None:
    desk.env["TMPDIR"] = str(desk.folder)
    desk.worker()
    asking = desk.start(str(ROOT / words("python starter.py taskflows")[0]), *words("python starter.py taskflows")[1:])
    until(lambda: "waiting_approval" in desk.run("list", "--json").out, 40)
    assert desk.run(*words("python starter.py approve")).code == 0
    ended = end(asking)
    assert ended.code == 0
    assert "Deleted all keys." in ended.err


def test_the_toolbox_of_the_page_works(desk: Desk) -> None:
    desk.env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), desk.env["PATH"]])  # as after `activate`
    desk.worker()
    address = served(desk)
    for name, text in files(TOOLBOXES).items():
        desk.write(name, text)
    assert set(files(TOOLBOXES)) == {"dice.py", "dice.yaml", "game.yaml", "game.dry.yaml"}
    assert "0 errors, 0 warnings" in desk.run("lint", "game.yaml").out
    playing = desk.start("game.yaml", "--dry-run", "--id", "game")
    until(lambda: "waiting_approval" in desk.run("list", "--json").out, 40)
    desk.temporal(
        "workflow", "signal", "-w", "game", "--name", "approve", "--input", '"task-1-call-1"', address=address
    )
    ended = end(playing)
    assert ended.code == 0
    assert "→ roll(" in ended.err
    assert "← Forgotten." in ended.err


def served(desk: Desk) -> str:
    """Where the embedded server answers."""
    return f"127.0.0.1:{json.loads((desk.state / 'server.json').read_text())['port']}"
