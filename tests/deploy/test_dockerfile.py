"""The image's install steps, run outside Docker: the same files and pip commands, in an environment of their own."""

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

from tests.deploy.installed import environment

LINES = re.sub(r"\\\n", " ", Path("Dockerfile").read_text()).splitlines()


def _arguments(word: str) -> list[list[str]]:
    return [line.split()[1:] for line in LINES if line.split(maxsplit=1)[:1] == [word]]


def test_runs_the_worker_as_an_ordinary_user() -> None:
    assert _arguments("USER") == [["taskflow"]]
    assert json.loads(" ".join(_arguments("CMD")[0])) == ["taskflow-worker"]
    assert any(line.startswith("HEALTHCHECK") for line in LINES)


def test_only_what_is_copied_reaches_the_build() -> None:
    ignored = Path(".dockerignore").read_text().splitlines()
    copied = {source for copy in _arguments("COPY") for source in copy[:-1]}
    assert {f"!{source}" for source in copied} == {line for line in ignored if line.startswith("!")}


def test_what_the_first_step_installs_is_what_all_tests_run_with() -> None:
    """`make` sets the environment of the tests up by the same command; in an empty one it takes a minute."""
    first, _ = _steps()
    assert first == "pip install --no-cache-dir --no-deps -r requirements.lock"
    assert (
        "/pip install -qq --disable-pip-version-check --no-deps -r requirements.lock\n" in Path("Makefile").read_text()
    )
    pins = [Requirement(line.partition(" \\")[0]) for line in Path("requirements.lock").read_text().splitlines()
            if line[:1].isalnum()]  # fmt: skip
    here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    assert len(here) > 100
    assert {pin.name: f"=={version(pin.name)}" for pin in here} == {pin.name: str(pin.specifier) for pin in here}


def test_install_steps(tmp_path: Path) -> None:
    image = environment(tmp_path)
    image.lend_dependencies()
    for *sources, _ in _arguments("COPY"):
        for source in sources:
            _copy(Path(source), tmp_path / "app" / source)
    _, second = _steps()
    image.pip(*second.split()[1:], folder=tmp_path / "app")
    shutil.rmtree(tmp_path / "app" / "grammar")  # the installed one must do
    assert "Serve taskflow runs" in image.run("taskflow-worker", "--help")


def _steps() -> list[str]:
    steps = [" ".join(run) for run in _arguments("RUN") if run[0] == "pip"]
    assert len(steps) == 2
    return steps


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
