"""The existing engine's own virtual environment: its pins clash with ours."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class PinnedVenv:
    """A virtual environment with pinned versions. The flows' packages ask for an older engine: no dependencies."""

    folder: Path
    pins: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def packages(self) -> Path:
        """Return where its packages are installed: the documents of the published flows among them."""
        asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
        answer = subprocess.run([str(self.python), "-c", asked], check=True, capture_output=True, text=True)
        return Path(answer.stdout.strip())

    def install(self) -> None:
        """Make it where it is not there, or has other versions than the pinned ones."""
        done = self.folder / "ready"
        if done.exists() and done.read_text() == self.pins.read_text():
            return
        print(f"setting up {self.folder.relative_to(ROOT)} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(self.folder)], check=True)
        pip = [str(self.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "-r", str(self.pins)], check=True)
        done.write_text(self.pins.read_text())


ENGINE = PinnedVenv(ROOT / ".venv" / "peer", ROOT / "benchmarks" / "peer.txt")
FUZZING = PinnedVenv(ROOT / ".venv" / "peer-fuzzing", ROOT / "benchmarks" / "peer-fuzzing.txt")


def install() -> None:
    """Install both. That of the fuzzing flows has its own version of the other flows, the rest is the engine's."""
    ENGINE.install()
    FUZZING.install()
    (FUZZING.packages() / "engine.pth").write_text(f"{ENGINE.packages()}\n")
