"""`resume`: go on with a run that is parked or was interrupted, or follow one again."""

import asyncio

from commands import options
from console.screen import open_screen


def resume(
    run_id: options.RunId,
    keep: options.Keep = False,
    yes: options.Yes = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Follow a run again, or go on with one that was interrupted."""
    from commands.continue_run import continue_run  # these load Temporal's client
    from commands.session import RunOptions

    return asyncio.run(
        continue_run(run_id, RunOptions(keep=keep, json=json, debug=debug, yes=yes), open_screen(json, quiet))
    )
