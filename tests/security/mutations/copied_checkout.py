"""A copy of the checkout, in which defences can be taken out: whatever happens meanwhile, the original has them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import psutil

from activities.guardian.kernel import adopt_orphans
from tests.security.mutations.table import ROOT, Mutation
from tests.support.waiting import until

COPY = ROOT / ".mutations"
# Folders that are not of the checkout, but for files that begin with a dot.
LEFT_OUT = (".git", ".venv", ".site", "dist", ".mutations", "*_cache", "__pycache__", ".hypothesis")
LONGEST = 1800.0
"""Seconds, for all tests that are run at a time; each of them has the project's own limit."""


class Outcome(NamedTuple):
    """What became of a test."""

    verdict: str
    """`green`, `red` or `skipped`; `missing`: it was not run."""
    why: str = ""
    """Of a red one, the beginning of the error."""


MISSING = Outcome("missing")


class CopiedCheckout:
    """Run tests in a copy of the checkout, which is there for the length of the block."""

    def __enter__(self) -> "CopiedCheckout":
        """Make the copy; one that was left behind is removed."""
        shutil.rmtree(COPY, ignore_errors=True)
        shutil.copytree(ROOT, COPY, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        adopt_orphans()  # of tests that fail, so that they can be ended
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the copy."""
        shutil.rmtree(COPY)

    @contextmanager
    def without(self, mutation: Mutation) -> Iterator[None]:
        """Have the copy be without the defence for the length of the block."""
        before = {COPY / edit.file: (COPY / edit.file).read_bytes() for edit in mutation.edits}
        try:
            for edit in mutation.edits:
                path = COPY / edit.file
                path.write_text(edit.applied_to(path.read_text(encoding="utf-8")), encoding="utf-8")
            yield
        finally:
            for path, content in before.items():
                path.write_bytes(content)

    def outcomes(self, module: str, names: Iterable[str]) -> dict[str, Outcome]:
        """Run tests of a module, and return what became of each."""
        names = sorted(names)
        report = COPY / "report.xml"
        report.unlink(missing_ok=True)
        options = ["-n0", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *options, *(f"tests/security/{module}::{name}" for name in names)]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, check=False, cwd=COPY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=LONGEST
            )
        _end_what_is_left()
        cases = _cases(report)
        return {name: _of(name, cases) for name in names}


def _end_what_is_left() -> None:
    """End what tests have left: those that show that nothing is left leave it when they are red."""
    until(_nothing_is_left)


def _nothing_is_left() -> bool:
    left = psutil.Process().children(recursive=True)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return not left


def _cases(report: Path) -> list[tuple[str, Outcome]]:
    """What became of each case, with its name; nothing, where the tests could not be run."""
    if not report.exists():
        return []
    return [(case.attrib["name"], _outcome(case)) for case in ElementTree.parse(report).iter("testcase")]


def _outcome(case: ElementTree.Element) -> Outcome:
    for kind in ("failure", "error"):
        if (found := case.find(kind)) is not None:
            return Outcome("red", " ".join(found.attrib.get("message", "").split())[:100])
    return Outcome("green" if case.find("skipped") is None else "skipped")


def _of(name: str, cases: list[tuple[str, Outcome]]) -> Outcome:
    """What became of a test: it is red where any case of it is, green where any is and none is red."""
    seen = [outcome for case, outcome in cases if case == name or case.startswith(f"{name}[")]
    by_verdict = {outcome.verdict: outcome for outcome in reversed(seen)}
    return next((by_verdict[verdict] for verdict in ("red", "green", "skipped") if verdict in by_verdict), MISSING)
