"""`--dry-run`: the whole flow, on the answers of a rules file and on placeholders."""

from pathlib import Path

from grammar.dry_run import dry_run_bundle
from grammar.errors import InvalidFlow, Problem
from grammar.loading import bundle
from grammar.loading.bundle import Loaded, LoadOptions
from grammar.loading.source import display
from grammar.messages.run_bundle import Bundle


def as_dry_run(loaded: Loaded, order: LoadOptions, personality: str | None, rules: Path | None) -> Loaded:
    """The run as a dry run; without `--rules`, those beside the flow are taken. Raises InvalidFlow."""
    if rules is None and personality is None:
        rules = dry_run_bundle.rules_beside(bundle.find(order))
    return dry_run_bundle.as_dry_run(loaded, rules)


def check(asked: bool, rules: Path | None) -> None:
    """Raise InvalidFlow for rules that would be ignored: the run would be a real one."""
    if rules and not asked:
        message = f"goes with --dry-run: this would be a real run, and {display(rules)} would not be read"
        raise InvalidFlow([Problem("command line", 0, "--rules", message)])


def notice(flow: Bundle) -> str:
    """What a person should know before they read on."""
    number = len(flow.script.rules) if flow.script else 0
    answers = f"{number} rule{'s' * (number != 1)} and placeholders answer" if number else "placeholders answer"
    return f"dry run: no model is asked, and no script is run but where a rule says `run: true`; {answers}"
