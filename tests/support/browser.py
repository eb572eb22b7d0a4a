"""A real browser without a window, told what to do over a pipe (the DevTools protocol)."""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--proxy-server=127.0.0.1:1",
)  # fmt: skip


def program() -> str:
    """Return the browser on this machine; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    return found or pytest.skip(f"none of {', '.join(PROGRAMS)} is on PATH")


class Browser:
    """Show one page at a time. `complaints`: the messages of the page's console."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._numbers = itertools.count(1)
        self._unread = b""
        self._requests: dict[str, str] = {}
        self.complaints: list[str] = []
        self._loaded = 0

    def __enter__(self) -> Self:
        found = program()
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", 'exec "$0" "$@" 3<&"$IN" 4>&"$OUT"', found, *QUIET, f"--user-data-dir={self._profile}",
             "--remote-debugging-pipe", "about:blank"],
            env=os.environ | {"IN": str(their_in), "OUT": str(their_out)},
            pass_fds=(their_in, their_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(their_in)
        os.close(their_out)
        targets = self._ask("Target.getTargets")["targetInfos"]
        (target,) = [target for target in targets if target["type"] == "page"]
        attached = self._ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def open(self, page: Path | str, fragment: str = "") -> None:
        """Open a file or an address; return when the page is loaded."""
        address = page if isinstance(page, str) else page.as_uri()
        self._requests.clear()
        self.complaints.clear()
        loaded = self._loaded
        self.ask("Page.navigate", url=address + fragment)
        while self._loaded == loaded:
            self._handle(self._read())

    @property
    def requested(self) -> list[str]:
        """Return the addresses that the page has requested, from anywhere."""
        return list(self._requests.values())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; of a promise, its result."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol to the page, and return its result."""
        return self._ask(method, self._session, **parameters)

    def _ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != number:
            self._handle(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            new = os.read(self._in, 1 << 20)
            assert new, "the browser ended"
            self._unread += new
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _handle(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded += 1
            case "Network.requestWillBeSent":
                self._requests[parameters["requestId"]] = parameters["request"]["url"]
            case "Network.loadingFailed" if parameters.get("blockedReason"):  # it was never sent
                self._requests.pop(parameters["requestId"])
            case "Log.entryAdded":
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(parameters["exceptionDetails"]))
