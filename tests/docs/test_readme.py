"""What the README and docs/ say, against what is there."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from temporalio.envconfig import ClientConfigProfile

from grammar import bundle
from grammar.bundle import Order
from tests.docs.pages import PAGES, README, ROOT, blocks, commands, ids, names, spans, table

PROGRAMS = {
    "starter.py": "starter.py",
    "taskflow": "starter.py",
    "worker.py": "worker.py",
    "taskflow-worker": "worker.py",
}
ROOMS = ("grammar", "workflows", "activities", "runtime", "console", "pictures", "commands", "taskflows")
VARIABLE = re.compile(r"(AI|OPENAI|COPILOT|MODEL|TASKFLOW|MEMCACHE|LOGBOOK)_[A-Z0-9_]+")
# Constants that look like variables, and the system's own.
NOT_OURS = {"MODEL_CONFIG", "HOME", "PATH", "TMPDIR", "PYTHONPATH"}


@cache
def options(program: str) -> frozenset[str]:
    """The options that `--help` names."""
    printed = subprocess.run(
        [sys.executable, program, "--help"],
        cwd=ROOT, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    return frozenset(re.findall(r"^  (-{1,2}[a-z][a-z-]*)", printed, re.MULTILINE)) - {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_options_in_commands_exist(page: Path) -> None:
    for command in commands(page):
        words = command.split()
        for place, word in enumerate(words):
            if program := PROGRAMS.get(word):
                used = {option for option in words[place + 1 :] if re.fullmatch(r"-{1,2}[a-z][a-z-]*", option)}
                assert used <= options(program) | {"--help"}, command
                break


def test_options_named_alone_exist() -> None:
    named = {span.split()[0] for span in spans(README) if span.startswith("-")}
    assert named <= options("starter.py") | options("worker.py")


@pytest.mark.parametrize("program", ["starter.py", "worker.py"])
def test_option_tables_are_complete(program: str) -> None:
    assert {name.split()[0] for name in names(f"option of `{program}`")} == options(program)


def flows() -> Iterator[object]:
    for page in PAGES:
        for number, text in enumerate(blocks(page, "yaml"), 1):
            if "taskflow" in (yaml.safe_load(text) or {}):
                yield pytest.param(text, id=f"{ids(page)}-{number}")


@pytest.mark.parametrize("text", list(flows()))
def test_flows_load(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "flow.yaml"
    file.write_text(text, encoding="utf-8")
    assert bundle.load(Order(str(file))).warnings == []


def test_there_is_a_first_flow() -> None:
    assert blocks(README, "yaml")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_and_images_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    inside = [target.partition("#")[0] for target in targets if not target.startswith(("http://", "https://"))]
    missing = [target for target in inside if target and not (page.parent / target).exists()]
    assert missing == []


def test_the_picture_is_a_png() -> None:
    assert (ROOT / "docs/images/web-ui.png").read_bytes().startswith(b"\x89PNG")


def test_decisions_are_all_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_modules_and_files_named_exist() -> None:
    for page in PAGES:
        named = [span for span in spans(page) if re.fullmatch(rf"({'|'.join(ROOMS)}|tests|docs)/[\w./-]+", span)]
        assert [span for span in named if not (ROOT / span).exists()] == [], ids(page)


def test_the_tables_of_folders_and_files_are_complete() -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    there = [path for path in paths if (ROOT / path).exists()]
    assert names("folder") == {path.partition("/")[0] + "/" for path in there if "/" in path}
    assert {row[0].strip("`") for row in table("file")} == {path for path in there if "/" not in path}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {found[1] for command in commands(page) if (found := re.match(r"make ([a-z]+)", command))}
    assert named <= targets


def sources() -> Iterator[ast.AST]:
    for path in [
        ROOT / "starter.py",
        ROOT / "worker.py",
        *(file for room in ROOMS for file in (ROOT / room).rglob("*.py")),
    ]:
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def read_variables() -> set[str]:
    """Every name that our code looks up in an environment, and every constant that has the form of one of ours."""
    found = set()
    for node in sources():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
            found.add(node.value)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            found |= looked_up(node.func.value, node.args[0])
        if isinstance(node, ast.Subscript):
            found |= looked_up(node.value, node.slice)
    return found - NOT_OURS


def looked_up(owner: ast.expr, key: ast.expr) -> set[str]:
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    if name in ("environ", "process") and isinstance(key, ast.Constant) and isinstance(key.value, str):
        return {key.value}
    return set()


def test_the_tables_of_variables_are_complete() -> None:
    ours = {name for name in names("variable") if not name.startswith("TEMPORAL_")}
    assert ours == read_variables()


def test_temporals_own_variables_are_read(tmp_path: Path) -> None:
    """They are the SDK's: each one that the table names must change what it loads."""
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "a:1"\n[profile.other]\naddress = "b:2"\n', encoding="utf-8")
    env = {"TEMPORAL_CONFIG_FILE": str(file)}
    assert ClientConfigProfile.load(override_env_vars=env).address == "a:1"
    assert ClientConfigProfile.load(override_env_vars=env | {"TEMPORAL_PROFILE": "other"}).address == "b:2"
    set_ = {"TEMPORAL_ADDRESS": "c:3", "TEMPORAL_NAMESPACE": "n", "TEMPORAL_API_KEY": "k"}
    profile = ClientConfigProfile.load(override_env_vars=env | set_)
    assert (profile.address, profile.namespace, profile.api_key) == ("c:3", "n", "k")
    assert {name for name in names("variable") if name.startswith("TEMPORAL_")} == {*env, "TEMPORAL_PROFILE", *set_}


def test_exit_codes_are_those_of_the_help() -> None:
    printed = subprocess.run(
        [sys.executable, "starter.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    said = " ".join(printed.partition("Exit codes:")[2].partition("Arguments:")[0].split())
    assert [row[0] for row in table("exit code")] == re.findall(r"(?:^|; )(\d+) ", said)
