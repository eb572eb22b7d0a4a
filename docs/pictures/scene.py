"""A server, a worker and a model endpoint of their own, with the runs that the pictures show."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docs.pictures import story
from tests.support.scripted_endpoint import ScriptedEndpoint

ROOT = Path(__file__).resolve().parents[2]
FLOW = "docs/pictures/reviews.yaml"


@dataclass(frozen=True)
class Scene:
    """`ui`: the address of the Web UI. `env`: what makes a program part of the scene."""

    env: dict[str, str]
    endpoint: ScriptedEndpoint
    ui: str

    def starter(self, *arguments: str, expected: int = 0) -> str:
        """Run starter.py to its end. Returns what it printed."""
        ended = subprocess.run(
            [sys.executable, "starter.py", *arguments],
            cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == expected, f"starter.py {' '.join(arguments)}: {ended.returncode}\n{ended.stderr}"
        return ended.stdout

    def page(self, path: str) -> str:
        """The address of a page of the Web UI."""
        return f"{self.ui}/namespaces/default/{path}"


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """The scene, for as long as the block runs. Everything it keeps is in the folder."""
    with ScriptedEndpoint(story.rules()) as endpoint:
        env = _env(folder, endpoint.url)
        with subprocess.Popen(
            [sys.executable, "-u", "worker.py"], cwd=ROOT, env=env, text=True, stderr=subprocess.PIPE
        ) as worker:
            try:
                yield Scene(env, endpoint, _web_ui(worker))
            finally:
                worker.terminate()


def _env(folder: Path, endpoint: str) -> dict[str, str]:
    """The environment here, with nothing in it that leads to another server or model."""
    leads = re.compile("(AI|OPENAI|COPILOT|MODEL|TEMPORAL|TASKFLOW|MEMCACHE|LOGBOOK)_")
    kept = {name: value for name, value in os.environ.items() if not leads.match(name)}
    places = {f"{name}_STATE_DIR": str(folder / name.lower()) for name in ("TASKFLOW", "MEMCACHE", "LOGBOOK")}
    return kept | places | {"AI_API_ENDPOINT": endpoint, "AI_API_TOKEN": "not-a-key", "PYTHONPATH": str(ROOT)}


def _web_ui(worker: "subprocess.Popen[str]") -> str:
    assert worker.stderr
    for line in worker.stderr:
        if found := re.search(r"Web UI (http://\S+)", line):
            return found[1]
    sys.exit("the worker did not start")
