"""`--dry-run`: the whole flow, on the answers of a rules file and on placeholders."""

from pathlib import Path

from grammar import bundle, dry_run
from grammar.bundle import Loaded, Order
from grammar.contracts import Bundle
from grammar.errors import InvalidFlow, Problem
from grammar.source import display


def rehearsed(loaded: Loaded, order: Order, personality: str | None, rules: Path | None) -> Loaded:
    """The run as a dry run; without `--rules`, those beside the flow are taken. Raises InvalidFlow."""
    if rules is None and personality is None:
        rules = dry_run.rules_beside(bundle.find(order))
    return dry_run.rehearsed(loaded, rules)


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
