"""The documents load, and name what the servers have."""

from pathlib import Path

import pytest

from grammar.loading.bundle import LoadOptions, load
from taskflows.toolboxes.__main__ import NAMES
from tests.toolboxes.test_interface import ARGUMENTS
from tests.toolboxes.toolbox_client import REPOSITORY

FOLDER = REPOSITORY / "taskflows" / "examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".dry.yaml"))

FLOW = """
taskflow:
  - task:
      agents: [seclab_taskflow_agent.personalities.assistant]
      toolboxes: [{prefix}.toolboxes.{name}]
      headless: true
      user_prompt: hello
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load_without_warnings_and_open_with_a_numbered_comment(path: Path) -> None:
    assert load(LoadOptions(str(path))).warnings == []
    opening = path.read_text(encoding="utf-8").split("seclab-taskflow-agent:")[0]
    assert all(line.startswith("#") or not line for line in opening.splitlines())
    assert "#   1. " in opening
    assert f"#   python starter.py taskflows/examples/{path.name}" in opening


@pytest.mark.parametrize("prefix", ["taskflows", "seclab_taskflow_agent"])
@pytest.mark.parametrize("name", NAMES)
def test_toolboxes_are_found_under_both_names(prefix: str, name: str, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yaml"
    flow.write_text(FLOW.format(prefix=prefix, name=name), encoding="utf-8")
    (toolbox,) = load(LoadOptions(str(flow))).bundle.toolboxes.values()
    assert toolbox.server_params.command == "taskflow-toolbox"
    assert toolbox.server_params.args == (name,)
    assert toolbox.server_params.lifetime == "worker"
    assert set(toolbox.confirm) <= set(ARGUMENTS[name])


def test_the_model_config_loads() -> None:
    order = LoadOptions(str(EXAMPLES[0]), model_config="taskflows.model_configs.example")
    assert set(load(order).bundle.config.models) == {"fast", "thorough"}
