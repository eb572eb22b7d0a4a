"""`sandbox` of tasks and toolboxes, as it is written (specification section 10)."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import JsonValue

from grammar.documents.models import SandboxChoice, Task, Toolbox
from grammar.documents.sandbox import PRESETS
from grammar.documents.sizes import parse_size, spoken_size
from grammar.errors import InvalidFlow
from grammar.loading import schemas
from grammar.loading.bundle import LoadOptions, load
from grammar.loading.lint import lint


def problems(folder: Path, text: str) -> list[str]:
    """What lint says is wrong with the file, as people read it, without the file's name."""
    (folder / "flow.yaml").write_text(text)
    found = lint(str(folder / "flow.yaml"), LoadOptions("")).problems
    return [f"{problem.line}: {problem.field}: {problem.message}" for problem in found]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("worksapce", "3: taskflow[0].task.sandbox.preset: must be 'none', 'workspace' or 'offline'"),
        ("5", "3: taskflow[0].task.sandbox: must be a map, not a whole number"),
        ("{preset: none, memory: 1G}", "3: taskflow[0].task.sandbox: `none` is no sandbox: memory would mean nothing"),
        ("{netwrok: none}", "3: taskflow[0].task.sandbox.netwrok: unknown field, and none is ignored here"),
        ("{network: pypi.org}", "3: taskflow[0].task.sandbox.network: write none, all, or a list of HOST:PORT"),
        ("{network: [pypi.org]}", "3: taskflow[0].task.sandbox.network: 'pypi.org' is no HOST:PORT"),
        ("{network: ['x:70000']}", "3: taskflow[0].task.sandbox.network: 'x:70000' is no HOST:PORT"),
        ("{network: []}", "3: taskflow[0].task.sandbox.network: write none, all, or a list of HOST:PORT"),
        ("{read: [a, ../b]}", "3: taskflow[0].task.sandbox.read[1]: '../b': write the path without `..`"),
        ("{write: [~root]}", "3: taskflow[0].task.sandbox.write[0]: '~root': after `~`"),
        ("{write: ['']}", "3: taskflow[0].task.sandbox.write[0]: write a path: of a file or a folder"),
        ("{write: out}", "3: taskflow[0].task.sandbox.write: must be a list, not text"),
        ("{memory: lots}", "3: taskflow[0].task.sandbox.memory: write a size as 512M, 4G, or a number of bytes"),
        ("{disk: 10}", "3: taskflow[0].task.sandbox.disk: a size is at least 1M and at most 1024T"),
        ("{processes: 1}", "3: taskflow[0].task.sandbox.processes: must be greater than or equal to 8"),
        ("{cpu: soon}", "3: taskflow[0].task.sandbox.cpu: write a duration as 30s, 5m, 2h, 1d"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(written: str, says: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, f"taskflow:\n  - task: {{run: ls,\n      sandbox: {written}}}\n")
    assert found.startswith(says)


def test_a_preset_may_stand_alone() -> None:
    written: list[JsonValue] = ["workspace", {"preset": "workspace"}, {}]
    assert [SandboxChoice.model_validate(one).policy for one in written] == [PRESETS["workspace"]] * 3
    assert SandboxChoice.model_validate("none").policy is None


def test_what_is_not_said_is_the_presets() -> None:
    policy = SandboxChoice.model_validate({"preset": "offline", "network": ["PyPI.org:0443"], "memory": "1.5G"}).policy
    assert policy == PRESETS["offline"]._replace(network=("pypi.org:443",), memory=3 * 512 * 1024**2)


def test_it_travels() -> None:
    task = Task.model_validate({"run": "ls", "sandbox": {"network": ["a:1"], "write": [], "cpu": "2m"}})
    assert Task.model_validate_json(task.model_dump_json()) == task
    assert Task.model_validate({"run": "ls"}).sandbox is None


def test_defaults_and_used_tasks_have_it(tmp_path: Path) -> None:
    (tmp_path / "used.yaml").write_text("taskflow: [{task: {run: ls, sandbox: offline}}]\n")
    (tmp_path / "flow.yaml").write_text(
        "defaults: {sandbox: workspace}\n"
        "taskflow: [{task: {run: a}}, {task: {uses: ./used.yaml}}, {task: {run: b, sandbox: {memory: 1G}}}]\n"
    )
    tasks = load(LoadOptions(str(tmp_path / "flow.yaml"))).bundle.tasks
    assert [task.sandbox.preset if task.sandbox else None for task in tasks] == ["workspace", "offline", "workspace"]
    assert tasks[2].sandbox
    assert tasks[2].sandbox.memory == 1024**3


OWN = "server_params: {kind: streamable, command: x, url: 'http://localhost:9/mcp'}\n"


def test_a_server_that_could_not_be_reached(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "open.yaml").write_text(f"{OWN}sandbox: {{network: all}}\n")
    (tmp_path / "who.yaml").write_text("toolboxes: [./own.yaml, ./open.yaml]\n")
    text = "taskflow:\n  - task:\n      agents: [./who.yaml]\n      user_prompt: hi\n      sandbox: workspace\n"
    (found,) = problems(tmp_path, text)
    assert found.startswith("5: taskflow[0].task.sandbox: toolbox own.yaml: its server is reached over the network")
    assert problems(tmp_path, text.replace("workspace", "{network: all}")) == []
    assert problems(tmp_path, text.replace("workspace", "none")) == []


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (OWN, "sandbox: its server is reached over the network, so a sandbox of it needs `network: all`"),
        ("server_params: {kind: sse, url: 'http://x/'}\n", "sandbox: no process of the worker's is there to hold"),
    ],
)
def test_a_sandbox_of_a_toolbox_that_holds_nothing(params: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(f"{params}sandbox: workspace\n")
    (tmp_path / "flow.yaml").write_text(
        "taskflow: [{task: {agents: [taskflows.personalities.assistant], toolboxes: [./box.yaml], user_prompt: hi}}]\n"
    )
    with pytest.raises(InvalidFlow) as caught:
        load(LoadOptions(str(tmp_path / "flow.yaml")))
    assert f"box.yaml:2: {says}" in str(caught.value)


def test_that_of_a_toolbox_may_be_none_anywhere() -> None:
    box = {"server_params": {"kind": "sse", "url": "http://x/"}, "sandbox": "none"}
    assert Toolbox.model_validate(box).sandbox == SandboxChoice(preset="none")


@pytest.mark.parametrize(
    ("written", "fits"),
    [("offline", True), ({"memory": "1G", "network": ["a:1"]}, True), (None, True), ("gone", False), ({"x": 1}, False)],
)
def test_editors_know_it(written: JsonValue, fits: bool) -> None:
    document = {"taskflow": [{"task": {"run": "ls", "sandbox": written}}]}
    assert Draft202012Validator(schemas.schema("taskflow")).is_valid(document) == fits


@pytest.mark.parametrize(
    ("written", "size"), [("1M", 1024**2), ("2G", 2 * 1024**3), ("1.5 GiB", 3 * 512 * 1024**2), (2**20, 2**20)]
)
def test_sizes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", [True, "", "1X", "-1G", "1g", None, "9999T", 10**400])
def test_no_sizes(written: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(written)


@pytest.mark.parametrize(
    ("size", "text"), [(1024**3, "1G"), (1536 * 1024**2, "1536M"), (1024**4, "1T"), (1024**2 + 1, "1048577")]
)
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    assert spoken_size(size) == text
