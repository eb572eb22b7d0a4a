"""`abort`: end a parked run as failed."""

from commands import options
from console.screen import open_screen
from grammar.messages.reports import Decision


def abort(
    run_id: options.RunId,
    task: options.TaskName = None,
    detach: options.Detach = False,
    keep: options.Keep = False,
    yes: options.Yes = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """End a parked run as failed."""
    from commands.continue_run import decide  # these load Temporal's client
    from commands.session import RunOptions

    wanted = RunOptions(detach=detach, keep=keep, json=json, debug=debug, yes=yes)
    return decide(run_id, Decision(action="abort", task=task), wanted, open_screen(json, quiet))
