"""Virtual environments with this package installed, and folders that a careless import would trip over."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAPS = (
    "activities/__init__.py", "console/__init__.py", "temporal_taskflow/__init__.py",
    "grammar.py", "json.py", "typing.py",
)  # fmt: skip


@dataclass
class Installed:
    """A virtual environment. `folder`: where its commands are run."""

    prefix: Path
    folder: Path

    @property
    def packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.prefix)}))

    @property
    def env(self) -> dict[str, str]:
        """Without what is on PATH where the tests are run."""
        places = {"HOME": str(self.folder), "TASKFLOW_STATE_DIR": str(self.folder.parent / "state")}
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONWARNINGS": "default"} | places

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.prefix / "bin" / program), *arguments]

    def run(self, program: str, *arguments: str) -> str:
        """What it prints. It must succeed."""
        ended = subprocess.run(
            self.command(program, *arguments),
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def pip(self, *arguments: str, folder: Path | None = None) -> None:
        command = [sys.executable, "-m", "pip", "--python", *self.command("python"), *arguments, "-qq"]
        subprocess.run(command, cwd=folder, check=True)

    def lend_dependencies(self) -> None:
        """Third-party packages of the environment that runs the tests. Its .pth files, and so ours, are not read."""
        (self.packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (self.prefix / "bin" / "temporal").symlink_to(Path(sys.executable).parent / "temporal")


def environment(folder: Path) -> Installed:
    """An empty environment, and a working directory full of traps."""
    installed = Installed(folder / "environment", folder / "work")
    venv.create(installed.prefix, symlinks=True)
    for name in TRAPS:
        trap = installed.folder / name
        trap.parent.mkdir(parents=True, exist_ok=True)
        trap.write_text(f"raise SystemExit('{name} of the working directory was imported')\n")
    return installed


def write_wheel(folder: Path, name: str) -> None:
    """A wheel of somebody else, with one package."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": f"raise SystemExit('the package {name} of somebody else was imported')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)


def copy_checkout(target: Path) -> Path:
    """What a clone holds, less tests and docs."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in os.fsdecode(subprocess.run(listing, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout).splitlines():
        if not name.startswith(("tests/", "docs/", "benchmarks/")) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target
