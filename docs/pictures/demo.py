"""The program with a server, a worker and a model endpoint of its own, for the runs that the pictures show."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docs.pictures import model_answers
from tests.support.scripted_endpoint import ScriptedEndpoint

ROOT = Path(__file__).resolve().parents[2]
FLOW = "docs/pictures/reviews.yaml"


@dataclass(frozen=True)
class Demo:
    """A server with a worker. `env`: the environment of programs that use it.

    `ui`: the address of its Web UI; `token`: what lets one in.
    """

    env: dict[str, str]
    endpoint: ScriptedEndpoint
    ui: str
    token: str

    def starter(self, *arguments: str, expected: int = 0) -> str:
        """Run starter.py to its end, with the exit code `expected`. Returns what it printed on stdout."""
        ended = subprocess.run(
            [sys.executable, "starter.py", *arguments],
            cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == expected, f"starter.py {' '.join(arguments)}: {ended.returncode}\n{ended.stderr}"
        return ended.stdout

    def ui_page(self, path: str) -> str:
        """Return the address of a page of the Web UI."""
        return f"{self.ui}/namespaces/default/{path}?token={self.token}"


@contextmanager
def demo(folder: Path) -> Iterator[Demo]:
    """Run server, worker and endpoint for the length of the block. All that they keep is in `folder`."""
    with ScriptedEndpoint(model_answers.rules()) as endpoint:
        env = _env(folder, endpoint.url)
        with subprocess.Popen(
            [sys.executable, "-u", "worker.py"], cwd=ROOT, env=env, text=True, stderr=subprocess.PIPE
        ) as worker:
            try:
                yield Demo(env, endpoint, *_web_ui(worker))
            finally:
                worker.terminate()


def _env(folder: Path, endpoint: str) -> dict[str, str]:
    """The environment here, without what leads to another server or model, or tells of this machine's folders."""
    elsewhere = re.compile("(AI|OPENAI|ANTHROPIC|COPILOT|MODEL|TEMPORAL|TASKFLOW|MEMCACHE|LOGBOOK)_")
    kept = {name: value for name, value in os.environ.items() if not elsewhere.match(name)}
    folders = {f"{name}_STATE_DIR": str(folder / name.lower()) for name in ("TASKFLOW", "MEMCACHE", "LOGBOOK")}
    here = {"HOME": str(ROOT.parent), "PYTHONPATH": str(ROOT)}
    return kept | folders | here | {"AI_API_ENDPOINT": endpoint, "AI_API_TOKEN": "not-a-key"}


def _web_ui(worker: "subprocess.Popen[str]") -> tuple[str, str]:
    """Return the address and the token that the worker prints."""
    assert worker.stderr
    for line in worker.stderr:
        if found := re.search(r"Web UI (http://[^/]+)/\?token=(\S+)", line):
            return found[1], found[2]
    sys.exit("the worker did not start")
