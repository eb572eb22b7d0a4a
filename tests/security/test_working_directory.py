"""A working directory that is somebody else's: nothing in it is run, believed, or written through unasked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from activities.process.render import Renderer
from activities.toolboxes import python_command
from activities.toolboxes.server import ToolboxServer
from activities.toolboxes.server_spec import ServerSpec
from commands import html_file
from console import problems
from console.screen import open_screen
from grammar.documents.models import ServerParams
from grammar.documents.references import SearchPath
from grammar.errors import InvalidFlow, UserError
from grammar.loading.bundle import LoadOptions, from_personality, load
from runtime.state import state_dir
from taskflows.toolboxes.state_folder import state_folder
from temporal_taskflow import launch
from tests.security.hostile_folder import HostileFolder, hostile

__all__ = ["hostile"]
ROOT = Path(__file__).parents[2]
EVIL = "server_params: {kind: stdio, command: ./evil}\n"
MINE = "server_params: {kind: stdio, command: mine}\n"


# Code


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("worker", ("--help",)),
        ("starter", ("--help",)),
        ("taskflows.toolboxes.__main__", ("--help",)),
        ("runtime.local_server.supervisor", ()),
    ],
)
def test_no_module_of_it_is_run_by_a_process_of_ours(
    hostile: HostileFolder, module: str, arguments: tuple[str, ...]
) -> None:
    hostile.set_traps()
    subprocess.run(launch.command(module, *arguments), capture_output=True, check=False, timeout=60)
    assert not hostile.has_sprung


@pytest.mark.parametrize("program", ["starter.py", "worker.py"])
def test_no_module_of_it_is_run_by_a_program(hostile: HostileFolder, program: str) -> None:
    hostile.set_traps()
    command = [sys.executable, str(ROOT / program), "--help"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
    assert not hostile.has_sprung


async def test_no_module_of_it_is_run_where_templates_render(hostile: HostileFolder) -> None:
    hostile.set_traps()
    renderer = Renderer()
    assert await renderer(str, 1) == "1"
    await renderer.close()
    assert not hostile.has_sprung


async def test_no_module_of_it_is_run_by_a_server(hostile: HostileFolder) -> None:
    """A real one, started as the existing engine's toolboxes start theirs: `python -m package`."""
    hostile.set_traps()
    params = ServerParams(
        kind="stdio", command=sys.executable, args=("-m", "taskflows.toolboxes", "echo"), env={"PYTHONPATH": str(ROOT)}
    )
    server = ToolboxServer(ServerSpec("echo", params, 30))
    try:
        await server.start()
        assert [tool.name for tool in server.tools] == ["echo_tool"]
    finally:
        await server.stop()
    assert not hostile.has_sprung


@pytest.mark.parametrize(
    "words", [("-m", "json.tool", "-h"), ("-u", "-W", "ignore", "-mjson.tool", "-h"), ("-c", "import json, mcp", "x")]
)
@pytest.mark.parametrize("command", [sys.executable, "python3"])
def test_python_does_not_look_for_modules_in_it(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch, command: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    hostile.set_traps()
    subprocess.run([command, *words], capture_output=True, check=False, timeout=60)
    assert hostile.has_sprung, "it would, as it is written"
    hostile.sprung.unlink()
    safe = [command, *python_command.arguments(command, words, {})]
    ran = subprocess.run(safe, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, hostile.has_sprung) == (0, False), ran.stderr


def test_what_runs_sees_its_own_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "told.py").write_text("import sys\nprint(__name__, sys.argv[0].endswith('told.py'), sys.argv[1:])\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for words, out in (
        (("-m", "told", "a", "-m"), "__main__ True ['a', '-m']\n"),
        (("-c", "import sys; print(sys.argv)", "a"), "['-c', 'a']\n"),
    ):
        command = [sys.executable, *python_command.arguments("python", words, {})]
        assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == out


@pytest.mark.parametrize(
    ("command", "words", "env"),
    [
        ("python", ("dice.py", "-m", "x"), {}),
        ("python", ("-u", "dice.py"), {}),
        ("python", ("-P", "-m", "x"), {}),
        ("python", ("-I", "-m", "x"), {}),
        ("python", ("-m", "x"), {"PYTHONSAFEPATH": ""}),
        ("python", (), {}),
        ("node", ("-m", "x"), {}),
        ("uv", ("run", "python", "-m", "x"), {}),
    ],
)
def test_any_other_command_is_run_as_it_is_written(command: str, words: tuple[str, ...], env: dict[str, str]) -> None:
    assert python_command.arguments(command, words, env) == list(words)


# Documents


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """The folder of a person's flows, elsewhere."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "flow.yaml").write_text(
        "taskflow:\n  - task: {agents: [taskflows.personalities.assistant], toolboxes: [BOX], user_prompt: x}\n"
    )
    return folder


def loaded(flow: Path, box: str) -> tuple[str | None, list[str]]:
    """The command of the toolbox, and what is told."""
    text = (flow / "flow.yaml").read_text().replace("BOX", box)
    (flow / "of-test.yaml").write_text(text)
    found = load(LoadOptions(str(flow / "of-test.yaml")))
    return found.bundle.toolboxes[box].server_params.command, [str(warning) for warning in found.warnings]


@pytest.mark.parametrize("ending", ["yaml", "yml"])
@pytest.mark.parametrize("name", ["taskflows.toolboxes.echo", "seclab_taskflow_agent.toolboxes.echo"])
def test_no_file_of_it_stands_in_for_ours(hostile: HostileFolder, flow: Path, name: str, ending: str) -> None:
    hostile.write(f"{name.replace('.', '/')}.{ending}", EVIL)
    command, told = loaded(flow, name)
    assert command == "taskflow-toolbox"
    (warning,) = told
    assert f"{name} is {ROOT}/taskflows/toolboxes/echo.yaml (this installation), not " in warning
    assert warning.startswith(f"{flow}/of-test.yaml:2: ") and "--path" in warning


def test_no_file_of_it_stands_in_for_a_personality(hostile: HostileFolder) -> None:
    hostile.write("taskflows/personalities/assistant.yaml", "personality: evil\ntoolboxes: [./box.yaml]\n")
    hostile.write("taskflows/personalities/box.yaml", EVIL)
    found = from_personality("taskflows.personalities.assistant", "hi", LoadOptions(""))
    assert not found.bundle.toolboxes
    assert "not taskflows/personalities/assistant.yaml" in str(found.warnings[0])


def test_no_file_of_it_stands_in_for_a_flow_of_ours(hostile: HostileFolder) -> None:
    hostile.write("taskflows/examples/echo.yaml", "taskflow: [{task: {run: ./evil}}]\n")
    found = load(LoadOptions("taskflows.examples.echo"))
    assert all(task.run != "./evil" for task in found.bundle.tasks)
    assert str(found.warnings[0]).startswith("command line: taskflows.examples.echo is ")


def test_no_file_of_it_stands_in_for_one_beside_the_flow(hostile: HostileFolder, flow: Path) -> None:
    hostile.write("boxes/one.yaml", EVIL)
    (flow / "boxes").mkdir()
    (flow / "boxes/one.yaml").write_text(MINE)
    command, told = loaded(flow, "boxes.one")
    assert (command, len(told)) == ("mine", 1)
    assert "(beside the flow), not boxes/one.yaml" in told[0]


def test_no_file_of_it_stands_in_for_one_of_an_installed_package(
    hostile: HostileFolder, flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site/some_installed_flows"
    package.mkdir(parents=True)
    (package / "box.yaml").write_text(MINE)
    monkeypatch.syspath_prepend(str(package.parent))
    hostile.write("some_installed_flows/box.yaml", EVIL)
    command, told = loaded(flow, "some_installed_flows.box")
    assert (command, len(told)) == ("mine", 1)
    assert "(an installed package), not some_installed_flows/box.yaml" in told[0]


def test_what_stands_nowhere_else_is_found_in_it(hostile: HostileFolder, flow: Path) -> None:
    hostile.write("boxes/one.yaml", MINE)
    assert loaded(flow, "boxes.one") == ("mine", [])


@pytest.mark.parametrize("by", ["TASKFLOW_PATH", "--path"])
def test_a_folder_that_a_person_names_stands_in_for_ours_and_is_told(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    named = hostile.write("taskflows/toolboxes/echo.yaml", MINE)
    if by == "TASKFLOW_PATH":
        monkeypatch.setenv(by, str(hostile.path))
    search = SearchPath((hostile.path,) if by == "--path" else ())
    assert search.locate("taskflows.toolboxes.echo") == (named, by)
    other = search.passed_over("taskflows.toolboxes.echo")
    assert other and other.place == "this installation"


def test_a_folder_of_everybody_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    (shared / "mine").mkdir(parents=True)
    shared.chmod(0o1777)
    (shared / "box.yaml").write_text(EVIL)
    monkeypatch.chdir(shared / "mine")
    assert SearchPath(anchor=shared / "mine").find("box") is None
    shared.chmod(0o755)
    assert SearchPath(anchor=shared / "mine").find("box") == shared / "box.yaml"


# What is written


def page(path: str) -> None:
    html_file.write(Path(path), "a page", open_screen(quiet=True))


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the person's that is to stay as it is, in a folder of its own."""
    (tmp_path / "home").mkdir()
    file = tmp_path / "home/precious"
    file.write_text("precious")
    return file


def test_a_page_is_not_written_through_a_link(hostile: HostileFolder, precious: Path) -> None:
    Path("night.html").symlink_to(precious)
    page("night.html")
    assert precious.read_text() == "precious"
    assert (hostile.path / "night.html").read_text() == "a page"
    assert [file.name for file in hostile.path.iterdir()] == ["night.html"]


@pytest.mark.parametrize("out", ["out/precious", "./sub/../out/precious", "{here}/out/precious", "sub/deep/precious"])
def test_a_page_is_not_written_into_a_folder_that_is_a_link(hostile: HostileFolder, precious: Path, out: str) -> None:
    Path("sub").mkdir()
    for link in ("out", "sub/deep"):
        Path(link).symlink_to(precious.parent)
    with pytest.raises(InvalidFlow, match="is a link, and nothing is written through one"):
        page(out.format(here=hostile.path))
    assert precious.read_text() == "precious"


def test_a_page_does_not_wait_for_the_reader_of_a_pipe(hostile: HostileFolder) -> None:
    os.mkfifo("night.html")
    page("night.html")
    assert Path("night.html").read_text() == "a page"


def test_a_page_goes_where_the_person_says(hostile: HostileFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    Path("sub").mkdir()
    for name in ("sub/a.html", "../elsewhere/b.html", f"{tmp_path}/link/c.html"):
        page(name)
        assert Path(name).read_text() == "a page"
    with pytest.raises(InvalidFlow, match="--html: sub cannot be written"):
        page("sub")
    assert [file.name for file in Path("sub").iterdir()] == ["a.html"]


def test_details_of_a_fault_are_not_written_through_a_link(
    tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = problems._written("told", tmp_path)
    assert first and first.stat().st_mode & 0o077 == 0
    first.unlink()
    first.symlink_to(precious)
    monkeypatch.setattr(problems, "datetime", _Stopped(first.name))
    assert problems._written("told", tmp_path) is None
    assert precious.read_text() == "precious"


class _Stopped:
    """A clock that stands at the time in the name of a file."""

    def __init__(self, name: str) -> None:
        self.time = "-".join(name.split("-")[2:4])

    def now(self) -> "_Stopped":
        return self

    def __format__(self, form: str) -> str:
        return self.time


@pytest.mark.parametrize("link", ["state", "state/memcache.sqlite"])
def test_a_toolbox_keeps_nothing_behind_a_link_of_it(
    hostile: HostileFolder, precious: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    monkeypatch.setenv("MEMCACHE_STATE_DIR", "state")
    Path(link).parent.mkdir(exist_ok=True)
    Path(link).symlink_to(precious.parent if link == "state" else precious)
    with pytest.raises(UserError, match="is a link"):
        state_folder("MEMCACHE_STATE_DIR", "memcache")
    Path(link).unlink()
    assert state_folder("MEMCACHE_STATE_DIR", "memcache") == Path("state")


# The state folder


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o777, 0o770])
def test_a_state_folder_is_closed_to_others(state: Path, mode: int) -> None:
    (state / "temporal.db").touch()
    state.chmod(mode)
    assert state_dir() == state
    assert state.stat().st_mode & 0o777 == mode & 0o700 == 0o700


def test_a_state_folder_that_others_have_filled_is_refused(state: Path, precious: Path) -> None:
    (state / "worker.log").symlink_to(precious)
    state.chmod(0o777)
    with pytest.raises(UserError, match=r"others may write to it \(mode 777\), and may have"):
        state_dir()


def test_a_state_folder_that_is_everybodys_is_refused(state: Path) -> None:
    state.chmod(0o1777)
    with pytest.raises(UserError, match="mode 1777"):
        state_dir()
    assert state.stat().st_mode & 0o7777 == 0o1777


def test_a_state_folder_of_another_user_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.chmod(0o700)
    owner = state.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(UserError, match=f"belongs to another user \\(uid {owner}\\)"):
        state_dir()


def test_a_state_folder_that_is_refused_is_one_line(state: Path) -> None:
    state.chmod(0o1777)
    ended = subprocess.run(
        [sys.executable, str(ROOT / "starter.py"), "list"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
