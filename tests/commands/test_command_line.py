"""The command line as a whole: which command is meant, what went, help, typos, streams."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_group

from commands import former_options
from commands import program as program_module
from grammar.errors import InvalidFlow, UserError
from grammar.exit_codes import ExitCode
from tests.commands.conftest import Starter

COMMANDS = list(get_group(program_module.app).commands)
VALUED = ("-g", "-m", "-p", "--id")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("flow.yaml -g a=b", "run flow.yaml -g a=b"),
        ("run flow.yaml", "run flow.yaml"),
        ("-p who hello", "run -p who hello"),
        ("run list", "run list"),
        ("./list", "run ./list"),
        ("list --status parked", "list --status parked"),
        ("report x --html list", "report x --html list"),
        ("-t flow -g a=b", "run flow -g a=b"),
        ("-g a=b -t flow --dry-run", "run -g a=b flow --dry-run"),
        ("--taskflow flow --global a=b", "run flow --global a=b"),
        ("--taskflow=flow", "run flow"),
        ("run -t flow -g a=b", "run flow -g a=b"),
        ("run -g a=b --taskflow=flow", "run -g a=b flow"),
        ("run flow --id -t", "run flow --id -t"),
        ("lint -t a.flow --strict", "lint a.flow --strict"),
        ("graph -t a.flow", "graph a.flow"),
        ("models --taskflow a.flow", "models a.flow"),
        ("schedule add -t a.flow --cron @daily", "schedule add a.flow --cron @daily"),
        ("schedule list -t", "schedule list -t"),
        ("status -t", "status -t"),
        ("-p who several words", "run -p who several words"),
        ("-l", "models"),
        ("--list-models", "models"),
        ("--list-models flow.yaml", "models flow.yaml"),
        ("--schema", "schema"),
        ("-l -m other", "models -m other"),
        ("--lint a.yaml b.yaml --strict", "lint a.yaml b.yaml --strict"),
        ("--strict a.yaml --lint", "lint --strict a.yaml"),
        ("-t a.flow --lint", "lint a.flow"),
        ("--resume night --json", "resume night --json"),
        ("--resume=night", "resume night"),
        ("--manifest night", "manifest night"),
        ("--manifest=night --json", "manifest night --json"),
        ("-p who -- --list", "run -p who -- --list"),
        ("-g --list x.yaml", "run -g --list x.yaml"),
        ("flow.yaml --id --skip", "run flow.yaml --id --skip"),
    ],
)
def test_what_is_meant(words: str, meant: str) -> None:
    assert former_options.with_command(words.split(), COMMANDS, VALUED) == meant.split()


@pytest.mark.parametrize(
    ("words", "option", "instead"),
    [
        ("--list --json", "--list", "list"),
        ("--status x", "--status", "status ID"),
        ("--status=x", "--status", "status ID"),
        ("flow.yaml --cron @daily", "--cron", "schedule add FLOW --cron TIMES"),
        ("--resume x --retry", "--retry", "retry ID"),
        ("resume x --skip", "--skip", "skip ID"),
        ("run flow.yaml --graph", "--graph", "graph FLOW"),
        ("--resume x --set-output 5", "--set-output", "set-output ID JSON"),
    ],
)
def test_an_option_that_is_a_command_now(words: str, option: str, instead: str) -> None:
    with pytest.raises(InvalidFlow) as told:
        former_options.with_command(words.split(), COMMANDS, VALUED)
    assert str(told.value).startswith(f"command line: {option}: is now a command: ")
    assert str(told.value).endswith(f" {instead}")


def test_each_that_went_names_a_command() -> None:
    assert {instead.split()[0] for instead in former_options.GONE.values()} <= set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--list", "command line: --list: is now a command: python starter.py list"),
        (
            "statsu x",
            "no command and no taskflow 'statsu'; did you mean `python starter.py status",
        ),
        ("lst --strict", "did you mean `python starter.py list"),
        ("--json status x", "options go after the command; did you mean `python starter.py status ...`?"),
        ("nothing.like.it", "nothing.like.it: no taskflow of that name"),
        ("run statsu", "statsu: no taskflow of that name"),
        ("status.yaml", "status.yaml: no such file"),
        ("a.yaml b.yaml", "command line: give one taskflow: python starter.py FLOW"),
        ("-p who", "command line: give a prompt: -p PERSONALITY prompt"),
        ("-p who two words", "command line: no personality 'who' found"),
        ("--personality who --global a=b hi", "command line: no personality 'who' found"),
        ("models --model-config m.yaml", "command line: -m: no model_config 'm.yaml' found"),
        ("a.yaml -g b", "command line: -g: 'b': write KEY=VALUE"),
        ("a.yaml --rules r.yaml", "command line: --rules: goes with --dry-run"),
        ("a.yaml --from-task b", "command line: --from-task: goes with --from ID"),
        ("status", "command line: missing argument 'ID'; see python starter.py status --help"),
        ("status a b", "command line: got unexpected extra argument(s) (b); see python starter.py status --help"),
        ("status a --jsno", "command line: no such option: --jsno"),
        ("logs a --item 0", "command line: invalid value for '--item'"),
        ("set-output a {", "command line: JSON: not JSON ("),
        ("list --since yesterday", "command line: --since: 'yesterday': write 30m, 2h, 3d, or a date"),
        ("list --status asleep", "command line: --status: 'asleep': give one of running, rate_limited, "),
        ("list --limit 0", "command line: invalid value for '--limit'"),
        ("schedule add a.yaml", "command line: --cron: when should runs start? in one pair of quotes, write"),
        ("schedule add --cron @daily", "command line: give one taskflow: python starter.py schedule add FLOW"),
        ("schedule add a.yaml --cron 0", "command line: --cron: '0': in one pair of quotes, write minute, hour,"),
        ("schedule ad", "command line: no such command 'ad'. Did you mean 'add'"),
    ],
)
def test_bad_input_is_one_line(monkeypatch: pytest.MonkeyPatch, words: str, says: str) -> None:
    monkeypatch.setattr("sys.argv", ["starter.py", *words.split()])
    with pytest.raises(UserError) as told:
        program_module.execute()
    assert told.value.exit_code == ExitCode.BAD_INPUT
    assert len(str(told.value).splitlines()) == 1
    assert says in str(told.value)


@pytest.mark.parametrize("words", ["--list", "list --limit x"])
def test_bad_input_is_json_too(starter: Starter, words: str) -> None:
    ended = starter(*words.split(), "--json")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["status"], document["exit_code"]) == (2, "bad_input", 2)
    assert ended.stderr == f"error: {document['message']}\n"


def test_a_flow_named_like_a_command(starter: Starter, here: Path) -> None:
    (here / "list").write_text("taskflow:\n  - task: {run: [ls]}\n")
    ended = starter("./list")
    assert (ended.returncode, "list:2: taskflow[0].task.run: must be text" in ended.stderr) == (2, True)


def test_help_is_plain_and_has_each_command(starter: Starter) -> None:
    ended = starter("-h")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Usage: python starter.py [OPTIONS]")
    assert "\x1b" not in ended.stdout
    assert set(COMMANDS) <= set(re.findall(r"^  ([a-z-]+)  ", ended.stdout, re.MULTILINE))
    assert "..." not in ended.stdout.replace("...\n", "").partition("Runs:")[2].replace("FLOW...", "")
    said = " ".join(ended.stdout.split())
    assert all(f"{code.value} {code.meaning}" in said for code in ExitCode)


def test_nothing_is_asked_for(starter: Starter) -> None:
    ended = starter()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage: ")


def test_version_and_completion(starter: Starter) -> None:
    assert re.fullmatch(r"taskflow \d+\.\d+\.\d+\n", starter("--version").stdout)
    assert (
        "status"
        in starter(_TASKFLOW_COMPLETE="complete_bash", COMP_WORDS="taskflow sta", COMP_CWORD="1").stdout.split()
    )
    assert (
        "--dry-run"
        in starter(
            _TASKFLOW_COMPLETE="complete_bash", COMP_WORDS="taskflow my.yaml --dry", COMP_CWORD="2"
        ).stdout.split()
    )


def test_the_worker_has_its_own_options(starter: Starter) -> None:
    ended = starter("worker", "--help")
    assert (ended.returncode, "--max-concurrent-activities" in ended.stdout) == (0, True)
