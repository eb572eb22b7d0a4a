"""Options of the bare program: those of scripts for `seclab-taskflow-agent`, and those that are commands now."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from commands.options import wrong
from grammar.program import program

# What scripts written for `seclab-taskflow-agent` say, and the command that does it. FLOW goes before a flow: there,
# and after the commands that take one.
FORMER = {
    "-l": "models",
    "--list-models": "models",
    "--lint": "lint",
    "--schema": "schema",
    "--resume": "resume",
    "--manifest": "manifest",
}
FLOW = ("-t", "--taskflow")
TAKE_FLOW = (("run",), ("lint",), ("graph",), ("models",), ("schedule", "add"))
GONE = {
    "--graph": "graph FLOW",
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
    options = dict(_options(words, valued))
    if words[0] in commands:
        _refuse_gone(options.values() if words[0] in ("run", "resume") else ())
        takes_flow = any(tuple(words[: len(command)]) == command for command in TAKE_FLOW)
        return _without(words, options, FLOW if takes_flow else ())
    _refuse_gone(options.values())
    command = next((FORMER[name] for name in options.values() if name in FORMER), "run")
    return [command, *_without(words, options, (*FORMER, *FLOW))]


def _refuse_gone(options: Iterable[str]) -> None:
    for name in options:
        if name in GONE:
            raise wrong(name, f"is now a command: {program()} {GONE[name]}")


def _without(words: Sequence[str], options: Mapping[int, str], names: Collection[str]) -> list[str]:
    """Return the words without these options; what is written to one of them as `--option=value` stays, as a word."""
    kept = (_value(word) if options.get(place) in names else word for place, word in enumerate(words))
    return [word for place, word in enumerate(kept) if word or options.get(place) not in names]


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
