"""What stands on the command line beside `--cron`."""

from grammar.messages import schedule


def check(cron: str | None, **others: object) -> None:
    """Raise InvalidFlow for what is no cron expression, and for options (`others`) that are about one run."""
    if cron is None:
        return
    given = [f"--{name.strip('_').replace('_', '-')}" for name, value in others.items() if value]
    if given:
        raise schedule.refused(f"makes a schedule and starts no run: {' and '.join(given)} cannot go with it")
    schedule.check(cron)
