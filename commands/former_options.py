"""Options of the bare program: those of scripts for `seclab-taskflow-agent`, and those that are commands now."""

from collections.abc import Collection, Iterator, Sequence

from commands.options import wrong
from grammar.program import program

# What scripts written for `seclab-taskflow-agent` say, and the command that does it. `-t` goes before a flow.
FORMER = {"-l": "models", "--lint": "lint", "--resume": "resume", "--manifest": "manifest"}
FLOW = "-t"
GONE = {
    "--graph": "graph FLOW",
    "--schema": "schema KIND",
    "--list-models": "models FLOW",
    "--sample": "sample",
    "--retry": "retry ID",
    "--skip": "skip ID",
    "--set-output": "set-output ID JSON",
    "--abort": "abort ID",
    "--task": "retry ID --task NAME",
    "--list": "list",
    "--status": "status ID",
    "--report": "report ID",
    "--html": "graph FLOW --html FILE",
    "--pause": "pause ID",
    "--unpause": "unpause ID",
    "--cron": "schedule add FLOW --cron TIMES",
    "--list-schedules": "schedule list",
    "--unschedule": "schedule remove ID",
}


def with_command(words: Sequence[str], commands: Collection[str], valued: Collection[str]) -> list[str]:
    """Return the words with the command in front that they mean: `run`, unless they say another one.

    `valued`: options whose next word is their value. Raises InvalidFlow for an option that is a command now.
    """
    if words[0] in commands and words[0] not in ("run", "resume"):
        return list(words)
    options = dict(_options(words, valued))
    for name in options.values():
        if name in GONE:
            raise wrong(name, f"is now a command: {program()} {GONE[name]}")
    if words[0] in commands:
        return list(words)
    command = next((FORMER[name] for name in options.values() if name in FORMER), "run")
    kept = [_value(word) if options.get(place) in FORMER else word for place, word in enumerate(words)]
    return [command, *(word for place, word in enumerate(kept) if word and options.get(place) != FLOW)]


def _options(words: Sequence[str], valued: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield the place and name of each option, as far as `--`; values of options are none."""
    is_value = False
    for place, word in enumerate(words):
        if word == "--":
            return
        if not is_value and word.startswith("-"):
            yield place, word.partition("=")[0]
        is_value = not is_value and word in valued


def _value(option: str) -> str:
    return option.partition("=")[2]
