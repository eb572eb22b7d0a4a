"""`make pin`: images by their digests, with a `docker` that makes them up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(".ci/pin_images.py").absolute()
FILES = ("Dockerfile", "docker-compose.temporal.yml")
TOLD = '#!/bin/sh\necho "$4" >> asked\nprintf sha256:; printf %s "$4" | sha256sum | cut -c 1-64\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(Path(name).read_text())
    return tmp_path


def pin(folder: Path, docker: str) -> subprocess.CompletedProcess[str]:
    (folder / "docker").write_text(docker)
    (folder / "docker").chmod(0o755)
    env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run([sys.executable, SCRIPT], cwd=folder, env=env, capture_output=True, text=True, check=False)


def images(folder: Path) -> list[str]:
    texts = "".join((folder / name).read_text() for name in FILES)
    return re.findall(r"^(?:FROM|\s+image:) (\S+)", texts, re.MULTILINE)


def test_each_image_stands_by_its_digest(folder: Path) -> None:
    assert pin(folder, TOLD).returncode == 0
    found = images(folder)
    assert len(found) == 7
    assert [image for image in found if not re.fullmatch(r"[a-z/-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)] == []
    assert len((folder / "asked").read_text().split()) == len(set(found)) == 5
    before = [(folder / name).read_text() for name in FILES]
    assert pin(folder, TOLD).returncode == 0
    assert [(folder / name).read_text() for name in FILES] == before


@pytest.mark.parametrize(
    ("docker", "told"),
    [
        ("#!/bin/sh\necho no such image >&2\nexit 1\n", "no such image"),
        ("#!/bin/sh\necho latest\n", "docker gives no digest of python:3.12-slim: 'latest'"),
        ("#!/bin/sh\nprintf 'unknown flag: --format\\n\\nUsage: docker\\n' >&2\nexit 125\n", "unknown flag: --format"),
    ],
)
def test_nothing_changes_where_one_is_not_told(folder: Path, docker: str, told: str) -> None:
    ended = pin(folder, docker)
    needed = "Docker with its plugin buildx is needed, and the images' registries"
    assert (ended.returncode, ended.stderr) == (1, f"nothing is changed: {told}; {needed}\n")
    assert [(folder / name).read_text() for name in FILES] == [Path(name).read_text() for name in FILES]
