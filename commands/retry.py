"""`retry`: have a parked run do again what failed."""

from commands import options
from console.screen import open_screen
from grammar.messages.reports import Decision


def retry(
    run_id: options.RunId,
    task: options.TaskName = None,
    detach: options.Detach = False,
    keep: options.Keep = False,
    yes: options.Yes = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Run again what failed of a parked run, and only that."""
    from commands.continue_run import decide  # these load Temporal's client
    from commands.session import RunOptions

    wanted = RunOptions(detach=detach, keep=keep, json=json, debug=debug, yes=yes)
    return decide(run_id, Decision(action="retry", task=task), wanted, open_screen(json, quiet))
