"""Where the processes of a run work (specification section 5)."""

from pathlib import Path
from typing import Any

import pytest

from activities.process.working_directory import working_directory
from tests.activities.boxes import box, calls, free_port, own_http_box
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, ScriptedEndpoint

COUNT = Call(name="count", arguments={"path": "counted", "text": "x"})
GONE = "the folder /nowhere, in which the run was started, is not on this worker; this ran in the worker's own"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's own folder; the run's is `run` beside it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path / "own"


def test_a_folder_that_may_not_be_entered_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # who runs the tests may be root
    assert working_directory(str(tmp_path)).path is None


async def test_a_script_runs_where_the_run_was_started(bench: Bench, own: Path) -> None:
    run = own.with_name("run")
    given = await bench.shell("pwd; echo $PWD", folder=str(run))
    assert (given.value, given.warnings) == (f"{run}\n{run}\n", [])
    assert (await bench.shell("pwd")).value == f"{own}\n"


async def test_where_the_folder_is_not_the_workers_own_is_used_and_told(bench: Bench, own: Path) -> None:
    given = await bench.shell("pwd", folder="/nowhere")
    assert (given.value, given.warnings) == (f"{own}\n", [GONE])


@pytest.mark.parametrize("kind", ["stdio", "streamable"])
async def test_a_server_runs_where_the_run_was_started(
    bench: Bench, endpoint: ScriptedEndpoint, own: Path, kind: str
) -> None:
    endpoint.rules = calls(COUNT)
    toolboxes: Any = box("--more") if kind == "stdio" else own_http_box(free_port())
    for folder in (own.with_name("run"), own, Path("/nowhere")):
        given = await bench.agent(toolboxes=toolboxes, folder=str(folder))
        assert given.warnings == ([GONE] if folder == Path("/nowhere") else [])
    counted = [len((folder / "counted").read_text().splitlines()) for folder in (own.with_name("run"), own)]
    assert counted == [1, 2]


async def test_servers_of_a_worker_are_not_shared_between_folders(
    bench: Bench, endpoint: ScriptedEndpoint, own: Path
) -> None:
    endpoint.rules = calls(COUNT)
    for folder in (own, own.with_name("run")):
        await bench.agent(toolboxes=box("--more", lifetime="worker"), folder=str(folder))
    assert (own.with_name("run") / "counted").exists()
