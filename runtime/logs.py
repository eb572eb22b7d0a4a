"""What a worker logs: to stderr, warnings and worse, and what happens to runs, a line each."""

import logging


def set_up(runs: str | None, debug: bool) -> None:
    """Set logging up for this process. `runs`: the logger that tells of runs, shown from INFO on; None: not shown.

    `debug`: failed attempts are shown, too.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    if not debug:
        # A failed attempt is in the run's history, where it belongs.
        logging.getLogger("temporalio.activity").setLevel(logging.ERROR + 1)
        logging.getLogger("temporalio.worker").setLevel(logging.ERROR)
    if runs:
        _show(logging.getLogger(runs))


def _show(logger: logging.Logger) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
