"""What the README and docs/ say, against what is there: commands, links, YAML, variables, tables."""

import ast
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
import yaml
from temporalio.envconfig import ClientConfigProfile
from typer.main import get_group
from typer.testing import CliRunner

from commands.program import app
from grammar.exit_codes import ExitCode
from tests.docs.examples import checked, examples
from tests.docs.pages import (
    DESIGN,
    PAGES,
    README,
    REFERENCE,
    ROOT,
    anchors,
    blocks,
    commands,
    files,
    ids,
    names,
    spans,
    table,
    typed,
)

PROGRAMS = {
    "starter.py": "starter.py",
    "taskflow": "starter.py",
    "worker.py": "worker.py",
    "taskflow-worker": "worker.py",
}
ROOMS = (
    "temporal_taskflow",
    "grammar", "workflows", "activities", "runtime", "console", "pictures", "commands", "taskflows",
)  # fmt: skip
# The other names of options, which the table of commands does not repeat.
SECOND_NAMES = {"-q", "-d", "--personality", "--global", "--model-config"}
# Options of Temporal's command and of pip, where they stand alone; and the one that every program has.
THEIRS = {"--address", "--codec-auth", "--codec-endpoint", "--query", "--no-deps", "--help", "-h"}
SYSTEM = {
    "eval",
    "export",
    "source",
    "python3",
    "docker",
    "flows/bin/pip",
    "pip",
    "uv",
    "chmod",
    "openssl",
    "alias",
    "compose",
    "for",
    "unset",
    "POSTGRES_PASSWORD=NEW",
}
NAME = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"(AI|OPENAI|ANTHROPIC|COPILOT|MODEL|TASKFLOW|MEMCACHE|LOGBOOK)_[A-Z0-9_]+")
# Constants that look like variables, and the system's own.
NOT_OURS = {"MODEL_CONFIG", "HOME", "PATH", "TMPDIR", "PYTHONPATH", "TERM"}


def help_of(program: str, *command: str) -> str:
    """What `--help` prints."""
    if program == "starter.py":
        return CliRunner().invoke(app, [*command, "--help"]).stdout
    printed = subprocess.run(
        [sys.executable, program, "--help"],
        cwd=ROOT, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return printed.stdout


@cache
def options(program: str, *command: str) -> frozenset[str]:
    """The options that `--help` names."""
    lines = re.findall(r"^  (-{1,2}[a-z][a-z-]*)(?:, (-{1,2}[a-z][a-z-]*))?", help_of(program, *command), re.MULTILINE)
    return frozenset(name for line in lines for name in line if name) - {"-h", "--help"}


def starter_commands() -> list[tuple[str, ...]]:
    """Each command of the starter, in the words that call it."""
    program = get_group(app).commands
    inner = [("schedule", name) for name in program["schedule"].commands]  # type: ignore[attr-defined]
    return [*((name,) for name in program if name != "schedule"), *inner]


def all_options() -> frozenset[str]:
    """The options of the starter, without a command and with each."""
    own = (options("starter.py", *words) for words in starter_commands() if words != ("worker",))
    return options("starter.py").union(*own)


def of_command(program: str, words: list[str]) -> frozenset[str]:
    """The options that may stand in a command line with these words behind the program."""
    if program != "starter.py":
        return options(program)
    known = starter_commands()
    found = next((command for command in known if tuple(words[: len(command)]) == command), None)
    return options(program, *found) if found else options(program) | options(program, "run")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_options_in_commands_exist(page: Path) -> None:
    for command in commands(page):
        words = command.split()
        for place, word in enumerate(words):
            if program := PROGRAMS.get(word):
                used = {option for option in words[place + 1 :] if re.fullmatch(r"-{1,2}[a-z][a-z-]*", option)}
                assert used <= of_command(program, words[place + 1 :]) | {"--help"}, command
                break


def test_options_named_alone_exist() -> None:
    named = {span.split()[0] for page in PAGES for span in spans(page) if re.match(r"-{1,2}[a-z]", span)}
    assert named <= all_options() | options("worker.py") | THEIRS


@cache
def asked(*command: str) -> str:
    """What Temporal's own command says when it is asked."""
    binary = Path(sysconfig.get_path("scripts")) / "temporal"
    return subprocess.run([binary, *command], capture_output=True, text=True, check=True, timeout=60).stdout


def test_commands_of_temporal_exist() -> None:
    named = {command for page in PAGES for command in commands(page) if command.startswith("temporal ")}
    assert named
    for command in named:
        words = list(takewhile(lambda word: re.fullmatch("[a-z][a-z-]*", word), shlex.split(command)[1:]))
        usage = asked(*words, "--help")
        assert f"temporal {' '.join(words)} [" in usage, command
        known = set(re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", usage + asked("options")))
        assert {word for word in shlex.split(command) if word.startswith("-")} <= known, command


def test_nothing_else_is_typed() -> None:
    """Every program that console blocks start is one that another test looks at, or the reader's own system has."""
    typed_programs = {shlex.split(command)[0] for page in PAGES for command in typed(page)}
    assert typed_programs <= {"python", ".venv/bin/python", "taskflow", "make", "temporal", *SYSTEM}


def test_option_tables_are_complete() -> None:
    assert {name.split()[0] for name in names("option of `worker.py`", REFERENCE)} == options("worker.py")
    listed = {name.split()[0] for heading in ("option of `starter.py`", "said") for name in names(heading, REFERENCE)}
    assert listed == all_options()


def test_the_table_of_commands_is_complete() -> None:
    listed = {row[0].strip("`"): set(NAME.findall(row[2])) for row in table("command", REFERENCE)}
    called = {words: listed[text] for words in starter_commands() for text in listed if calls(text, words)}
    assert len(called) == len(listed) == len(starter_commands())
    del called["worker",]  # another program
    assert {words: set(options("starter.py", *words) - SECOND_NAMES) for words in called} == called


def calls(text: str, words: tuple[str, ...]) -> bool:
    """Whether the text, such as `schedule remove ID`, is of the command."""
    return tuple(text.split()[: len(words)]) == words


def documents() -> Iterator[object]:
    for page in PAGES:
        for number, (kind, text) in enumerate(examples(page), 1):
            yield pytest.param(page, kind, text, id=f"{ids(page)}-{number}")


@pytest.mark.parametrize(("page", "kind", "text"), list(documents()))
def test_yaml_is_what_it_is_meant_to_be(
    page: Path, kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for name, saved in files(page).items():
        (tmp_path / name).write_text(saved, encoding="utf-8")
    found = checked(kind, text, tmp_path)
    assert (found.problems, found.warnings) == ((), ())


def test_there_is_a_first_flow() -> None:
    assert blocks(README, "yaml")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_and_images_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not leads_somewhere(page, target)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    to = (page.parent / path) if path else page
    return to.exists() and (not anchor or anchor in anchors(to))


@pytest.mark.parametrize("target", ["gone.md", "grammar.md#gone", "#gone"])
def test_a_link_to_nowhere_would_be_found(target: str) -> None:
    assert not leads_somewhere(REFERENCE, target)


def pictures() -> list[Path]:
    return sorted(one for one in (ROOT / "docs/images").iterdir() if one.suffix != ".txt")


@pytest.mark.parametrize("picture", pictures(), ids=lambda path: path.name)
def test_pictures_are_small_and_shown(picture: Path) -> None:
    assert picture.stat().st_size < 300_000
    assert any(f"images/{picture.name})" in page.read_text(encoding="utf-8") for page in PAGES)
    start = picture.read_bytes()[:4]
    assert start == (b"<svg" if picture.suffix == ".svg" else b"\x89PNG")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
def test_pictures_of_terminals_have_their_size(columns: int, rows: int) -> None:
    lines = (ROOT / f"docs/images/live-{columns}x{rows}.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns


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
    assert names("folder", DESIGN) == {path.partition("/")[0] + "/" for path in there if "/" in path}
    assert {row[0].strip("`") for row in table("file", DESIGN)} == {path for path in there if "/" not in path}


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


@cache
def read_variables() -> frozenset[str]:
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
    return frozenset(found - NOT_OURS)


def looked_up(owner: ast.expr, key: ast.expr) -> set[str]:
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    if name in ("environ", "process") and isinstance(key, ast.Constant) and isinstance(key.value, str):
        return {key.value}
    return set()


def test_the_tables_of_variables_are_complete() -> None:
    ours = {name for name in names("variable", REFERENCE) if not name.startswith("TEMPORAL_")}
    assert ours == read_variables()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_variables_exist(page: Path) -> None:
    """Those that pages name outside the tables, too; some are read by docker-compose.temporal.yml alone."""
    named = {found[0] for text in (*spans(page), *typed(page)) for found in VARIABLE.finditer(text)} - NOT_OURS
    compose = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.temporal.yml").read_text(encoding="utf-8")))
    assert named <= read_variables() | compose
    temporal = {found for text in (*spans(page), *typed(page)) for found in re.findall(r"TEMPORAL_[A-Z_]+", text)}
    assert temporal - compose <= names("variable", REFERENCE)


def test_what_differs_from_the_former_engine_is_all_told() -> None:
    listed = yaml.safe_load((ROOT / "benchmarks/compare/differences.yaml").read_text(encoding="utf-8"))
    known = {one["id"] for one in listed["everywhere"]} | {one["flow"] for one in listed["flows"]}
    told = [name for row in table("there", ROOT / "docs/moving.md") if len(row) == 4 for name in NAME.findall(row[3])]
    assert sorted(told) == sorted(known)


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
    assert {name for name in names("variable", REFERENCE) if name.startswith("TEMPORAL_")} == {
        *env,
        "TEMPORAL_PROFILE",
        *set_,
    }


def test_exit_codes_are_those_of_the_help() -> None:
    printed = subprocess.run(
        [sys.executable, "starter.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    said = " ".join(printed.partition("Exit codes:")[2].partition("Options:")[0].split()).rstrip(".")
    told = [(str(code.value), code.meaning) for code in ExitCode]
    assert said == "; ".join(" ".join(row) for row in told)
    assert [tuple(row) for row in table("exit code", REFERENCE)] == told
