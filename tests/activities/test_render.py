"""Templates in a process of their own: limits of time and memory."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from activities.process.render import Renderer
from grammar.documents.models import ServerParams, Toolbox
from grammar.errors import TemplateFailed
from grammar.templating.templates import Environ, Templates
from tests.activities.conftest import SERVER, Bench
from tests.support.loaded import loaded
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.waiting import gone, until

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def render(template: str) -> str:
    return Templates({}, Environ({}), {}, "k").render(template)


async def test_renders() -> None:
    renderer = Renderer()
    assert await renderer(render, "{{ 1 + 1 }}") == "2"
    await renderer.close()


@pytest.mark.parametrize(
    ("template", "says"),
    [(ENDLESS, "took more than"), ("{{ 'x' * 10**10 }}", "memory"), ("{{ 10 ** (10 ** 10) }}", "took more than")],
)
async def test_limits(template: str, says: str) -> None:
    renderer = Renderer(timeout=1.5)
    with pytest.raises(TemplateFailed, match=says):
        await renderer(render, template)
    assert await renderer(render, "goes on") == "goes on"
    await renderer.close()


async def test_an_answer_that_nobody_waits_for_reaches_nobody() -> None:
    renderer = Renderer()
    asked = asyncio.create_task(renderer(render, ENDLESS))
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await renderer(render, "mine") == "mine"
    await renderer.close()


def test_the_child_ends_with_its_parent() -> None:
    code = (
        "import asyncio, sys\n"
        "from activities.process.render import Renderer\n"
        "async def main():\n"
        "    renderer = Renderer()\n"
        "    await renderer.warm_up()\n"
        "    print(renderer._child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    until(lambda: gone(child))


async def test_the_child_does_not_load_what_runs_agents(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    box = Toolbox(server_params=ServerParams(kind="stdio", command=sys.executable, args=(str(SERVER),)))
    assert await bench.agent(toolboxes={"tests.box": box}, env={"A": "{{ 1 + 1 }}"})
    packages = await bench.renderer(loaded)
    assert "grammar" in packages
    assert not packages & {"agents", "openai", "mcp", "temporalio"}
