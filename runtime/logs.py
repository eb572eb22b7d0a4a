"""What a worker logs: to stderr, warnings and worse, and what happens to runs, a line each."""

import logging

from grammar.errors import MissingKey


def set_up(runs: str | None, debug: bool) -> None:
    """Set logging up for this process. `runs`: the logger that tells of runs, shown from INFO on; None: not shown.

    `debug`: failed attempts are shown, too.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    if not debug:
        # A failed attempt is in the run's history, where it belongs.
        logging.getLogger("temporalio.activity").setLevel(logging.ERROR + 1)
        logging.getLogger("temporalio.worker").setLevel(logging.ERROR)
    logging.getLogger("temporalio.worker._workflow").addFilter(_missing_key_in_a_line)
    if runs:
        _show(logging.getLogger(runs))


def _missing_key_in_a_line(record: logging.LogRecord) -> bool:
    """Tell that a run cannot be read without a traceback: nothing is broken, and it goes on once the key is there."""
    if record.exc_info and isinstance(error := record.exc_info[1], MissingKey):
        record.msg, record.exc_info = f"{record.getMessage()}: {error}", None
        record.args = ()
    return True


def _show(logger: logging.Logger) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
