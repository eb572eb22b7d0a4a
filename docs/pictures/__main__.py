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

from docs.pictures import tmux_terminal
from docs.pictures.demo import FLOW, ROOT, Demo, demo
from docs.pictures.tmux_terminal import TmuxTerminal
from tests.support.browser import Browser
from tests.support.waiting import until

IMAGES = ROOT / "docs" / "images"
SIZES = {"reviews-1": (80, 24), "reviews-2": (200, 50)}
FAILED, WAITS = r"· 1 failed ·", r"⏸ rate limited, goes on"
COLUMNS = ("Status", "Workflow ID", "TaskflowStatus", "TaskflowName", "Start", "End", "TaskflowBundle")
# What the page says, also where the Web UI shows Markdown: in frames.
TEXT = """document.body.textContent
  + [...document.querySelectorAll('iframe')].map(frame => frame.contentDocument?.body?.textContent).join()"""


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as scratch, demo(Path(scratch)) as running:
        take_live_view(running, Path(scratch))
        running.starter("taskflows/examples/retries.yaml", "--id", "retries", expected=4)
        running.starter("taskflows/examples/hello.yaml", "--id", "hello")
        running.starter("taskflows/examples/confirm.yaml", "--id", "tidy-up", "--detach")
        until(lambda: state_of(running, "tidy-up") == "waiting_approval")
        with Browser(Path(scratch) / "profile") as browser:
            take_web_ui(running, browser)
            take_pages(running, browser, Path(scratch))
    print("look at them before you commit them")


def take_live_view(running: Demo, scratch: Path) -> None:
    """Take the starter during a fan-out in which one item has failed, and one waits for the model's endpoint."""
    terminals = {run: TmuxTerminal(scratch / run, *size) for run, size in SIZES.items()}
    with ExitStack() as stack:
        for run, terminal in terminals.items():
            command = [sys.executable, "starter.py", FLOW, "--id", run]
            stack.enter_context(terminal.running(command, ROOT, running.env))
        for run, terminal in terminals.items():
            save_screen(terminal, terminal.await_words(FAILED, WAITS), f"python starter.py {FLOW} --id {run}")
        until(lambda: {state_of(running, run) for run in SIZES} == {"parked"}, 120)


def save_screen(terminal: TmuxTerminal, screen: str, title: str) -> None:
    """Write a screen as text, and as a picture."""
    name = f"live-{terminal.columns}x{terminal.rows}"
    (IMAGES / f"{name}.txt").write_text(tmux_terminal.text(screen), encoding="utf-8")
    (IMAGES / f"{name}.svg").write_text(tmux_terminal.picture(screen, terminal.columns, title), encoding="utf-8")
    print_written(IMAGES / f"{name}.svg")


def state_of(running: Demo, run_id: str) -> str:
    """Return the state of a run, as `list` has it; empty where there is no such run."""
    runs = json.loads(running.starter("list", "--json"))["runs"]
    return next((str(run["standing"]["state"]) for run in runs if run["id"] == run_id), "")


def take_web_ui(running: Demo, browser: Browser) -> None:
    """Take a run that is done, the list of runs, and a run that waits for a decision."""
    resize(browser, 1400, 1020)
    take_page(browser, "web-ui", running.ui_page("workflows/hello"), "greet")
    # Where the Web UI remembers which columns a person has chosen for the list of runs.
    columns = json.dumps({"default": [{"label": name} for name in COLUMNS]})
    browser.evaluate(f"localStorage.setItem('namespace-workflow-table-columns', {json.dumps(columns)})")
    resize(browser, 1700, 560)
    take_page(browser, "web-ui-list", running.ui_page("workflows"), "TaskflowBundle", "waiting_approval")
    resize(browser, 1400, 860)
    details = running.ui_page(f"workflows/reviews-1/{temporal_run_id(browser, running)}/user-metadata")
    take_page(browser, "web-ui-run", details, "Current Details", "Parked")


def temporal_run_id(browser: Browser, running: Demo) -> str:
    """Return the Run ID of the parked run, which is in the address that the Web UI leads to."""
    browser.open(running.ui_page("workflows/reviews-1"))
    until(lambda: str(browser.evaluate("location.href")).endswith("/timeline"))
    return str(browser.evaluate("location.href")).split("/")[-2]


def take_pages(running: Demo, browser: Browser, scratch: Path) -> None:
    """Take a drawing of the flow, and a report of one run of it that has gone on without what failed."""
    running.starter("skip", "reviews-2", expected=4)
    for name, width, *arguments in (("flow", 680, "graph", FLOW), ("report", 1100, "report", "reviews-2")):
        page = scratch / f"{name}.html"
        running.starter(*arguments, "--html", str(page))
        resize(browser, width, 800)
        take_page(browser, name, page.as_uri(), "write a letter")


def resize(browser: Browser, width: int, height: int) -> None:
    """Set the size of the browser's window, in pixels."""
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)


def take_page(browser: Browser, name: str, address: str, *words: str) -> None:
    """Take a page, once it has all the words."""
    browser.open(address)
    until(lambda: all(word in browser.evaluate(TEXT) for word in words), 60)
    browser.evaluate("document.fonts.ready.then(() => new Promise(done => setTimeout(done, 1500)))")
    picture = browser.ask("Page.captureScreenshot", format="png", optimizeForSpeed=False)["data"]
    (IMAGES / f"{name}.png").write_bytes(base64.b64decode(picture))
    print_written(IMAGES / f"{name}.png")


def print_written(picture: Path) -> None:
    """Print that a picture is there, and its size."""
    print(f"wrote {picture.relative_to(ROOT)}, {picture.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
