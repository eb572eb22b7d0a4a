"""The memory of a run: all its processes, the daemons it started among them."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks.descendants import Descendants

EVERY = 0.1


@dataclass(frozen=True)
class Sample:
    """All processes at one moment, in MB. PSS counts a page that several share once in all."""

    pss: float = 0
    rss: float = 0
    processes: dict[str, tuple[float, float]] = field(default_factory=dict)


class MemoryWatch:
    """Measure these processes every 100 ms. `peak`: the sample with the largest PSS."""

    def __init__(self, descendants: Descendants) -> None:
        self._descendants = descendants
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = Sample()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            sample = _sample(self._descendants.living())
            if sample.pss > self.peak.pss:
                self.peak = sample


def _sample(processes: list[psutil.Process]) -> Sample:
    each: dict[str, tuple[float, float]] = {}
    for process in processes:
        with suppress(psutil.Error, OSError):
            each[f"{process.pid} {_name(process)}"] = _memory(process.pid)
    return Sample(sum(pss for pss, _ in each.values()), sum(rss for _, rss in each.values()), each)


def _memory(pid: int) -> tuple[float, float]:
    """Return PSS and RSS, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return sizes["Pss"], sizes["Rss"]


def _name(process: psutil.Process) -> str:
    words = [Path(word).name for word in process.cmdline()[:6]]
    return " ".join(words)[:60]
