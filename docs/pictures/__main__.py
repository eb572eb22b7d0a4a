"""Take the pictures that the docs show: make pictures

Runs flows on a scripted model, a Temporal server and a worker of their own, and takes pictures of what a person sees
of them: the terminal, the Web UI, a drawing of a flow, a report of a run. Needs Chromium and tmux on PATH.
"""

import base64
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from docs.pictures import terminal
from docs.pictures.scene import FLOW, ROOT, Scene, scene
from docs.pictures.terminal import Terminal
from tests.support.browser import Browser
from tests.support.waiting import until

IMAGES = ROOT / "docs" / "images"
SIZES = {"reviews-1": (80, 24), "reviews-2": (200, 50)}
FAILED, WAITS = r"· 1 failed ·", r"⏸ rate limited, goes on"
COLUMNS = ("Status", "Workflow ID", "TaskflowStatus", "TaskflowName", "Start", "End", "TaskflowBundle")
# What the page says, also where the Web UI shows Markdown: in frames.
TEXT = """document.body.textContent
  + [...document.querySelectorAll('iframe')].map(one => one.contentDocument?.body?.textContent).join()"""


def main() -> None:
    """All of them."""
    with tempfile.TemporaryDirectory() as scratch, scene(Path(scratch)) as here:
        live(here, Path(scratch))
        here.starter("taskflows/examples/retries.yaml", "--id", "retries", expected=4)
        here.starter("taskflows/examples/hello.yaml", "--id", "hello")
        here.starter("taskflows/examples/confirm.yaml", "--id", "tidy-up", "--detach")
        until(lambda: state(here, "tidy-up") == "waiting_approval")
        with Browser(Path(scratch) / "profile") as browser:
            web_ui(here, browser)
            pages(here, browser, Path(scratch))
    print("look at them before you commit them")


def live(here: Scene, scratch: Path) -> None:
    """The starter during a fan-out in which one item has failed, and one waits for the model's endpoint."""
    terminals = {run: Terminal(scratch / run, *size) for run, size in SIZES.items()}
    with ExitStack() as stack:
        for run, one in terminals.items():
            command = [sys.executable, "starter.py", FLOW, "--id", run]
            stack.enter_context(one.running(command, ROOT, here.env))
        for run, one in terminals.items():
            keep_screen(one, one.await_words(FAILED, WAITS), f"python starter.py {FLOW} --id {run}")
        until(lambda: {state(here, run) for run in SIZES} == {"parked"}, 120)


def keep_screen(one: Terminal, screen: str, title: str) -> None:
    """As text, and as a picture."""
    name = f"live-{one.columns}x{one.rows}"
    (IMAGES / f"{name}.txt").write_text(terminal.text(screen), encoding="utf-8")
    (IMAGES / f"{name}.svg").write_text(terminal.picture(screen, one.columns, title), encoding="utf-8")
    told(IMAGES / f"{name}.svg")


def state(here: Scene, run: str) -> str:
    """What `list` says of a run."""
    found = json.loads(here.starter("list", "--json"))["runs"]
    return next((str(one["standing"]["state"]) for one in found if one["id"] == run), "")


def web_ui(here: Scene, browser: Browser) -> None:
    """A run that is done, the list of runs, and a run that waits for a decision."""
    size(browser, 1400, 1020)
    shot(browser, "web-ui", here.page("workflows/hello"), "greet")
    # Where the Web UI remembers which columns a person has chosen for the list of runs.
    columns = json.dumps({"default": [{"label": name} for name in COLUMNS]})
    browser.evaluate(f"localStorage.setItem('namespace-workflow-table-columns', {json.dumps(columns)})")
    size(browser, 1700, 560)
    shot(browser, "web-ui-list", here.page("workflows"), "TaskflowBundle", "waiting_approval")
    size(browser, 1400, 860)
    run = here.page(f"workflows/reviews-1/{temporal_run(browser, here)}/user-metadata")
    shot(browser, "web-ui-run", run, "Current Details", "Parked")


def temporal_run(browser: Browser, here: Scene) -> str:
    """The Run ID of the parked run, which is in the address that the Web UI leads to."""
    browser.open(here.page("workflows/reviews-1"))
    until(lambda: str(browser.evaluate("location.href")).endswith("/timeline"))
    return str(browser.evaluate("location.href")).split("/")[-2]


def pages(here: Scene, browser: Browser, scratch: Path) -> None:
    """A drawing of the flow, and a report of one run of it that has gone on without what failed."""
    here.starter("skip", "reviews-2", expected=4)
    for name, width, *asked in (("flow", 680, "graph", FLOW), ("report", 1100, "report", "reviews-2")):
        page = scratch / f"{name}.html"
        here.starter(*asked, "--html", str(page))
        size(browser, width, 800)
        shot(browser, name, page.as_uri(), "write a letter")


def size(browser: Browser, width: int, height: int) -> None:
    """Of the browser's window."""
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)


def shot(browser: Browser, name: str, address: str, *words: str) -> None:
    """A picture of the page, once it has all the words."""
    browser.open(address)
    until(lambda: all(word in browser.evaluate(TEXT) for word in words), 60)
    browser.evaluate("document.fonts.ready.then(() => new Promise(done => setTimeout(done, 1500)))")
    picture = browser.ask("Page.captureScreenshot", format="png", optimizeForSpeed=False)["data"]
    (IMAGES / f"{name}.png").write_bytes(base64.b64decode(picture))
    told(IMAGES / f"{name}.png")


def told(picture: Path) -> None:
    """That it is there."""
    print(f"wrote {picture.relative_to(ROOT)}, {picture.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
