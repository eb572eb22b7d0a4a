"""What `run --dry-run` adds to a run: the answers of a rules file, and placeholders."""

from pathlib import Path

from commands.options import wrong
from grammar.dry_run import dry_run_bundle
from grammar.loading import bundle
from grammar.loading.bundle import Loaded, LoadOptions
from grammar.loading.source import display
from grammar.messages.run_bundle import Bundle


def check(dry_run: bool, rules: Path | None) -> None:
    """Raise InvalidFlow for rules that would be ignored: the run would be a real one."""
    if rules and not dry_run:
        told = f"goes with --dry-run: this would be a real run, and {display(rules)} would not be read"
        raise wrong("--rules", told)


def as_dry_run(loaded: Loaded, asked: LoadOptions, personality: str | None, rules: Path | None) -> Loaded:
    """Return the run as a dry run; without `rules`, those beside the flow are taken. Raises InvalidFlow."""
    if rules is None and personality is None:
        rules = dry_run_bundle.rules_beside(bundle.find(asked).path)
    return dry_run_bundle.as_dry_run(loaded, rules)


def notice(flow: Bundle) -> str:
    """Return what a person should know before they read on."""
    number = len(flow.script.rules) if flow.script else 0
    answers = f"{number} rule{'s' * (number != 1)} and placeholders answer" if number else "placeholders answer"
    return f"dry run: no model is asked, and no script is run but where a rule says `run: true`; {answers}"
