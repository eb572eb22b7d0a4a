"""What a worker logs: to stderr, warnings and worse, and what happens to runs, a line each."""

import logging
from collections.abc import Callable

from grammar.errors import MissingKey
from grammar.printable import printable

_DETAILED = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up(runs: str | None, debug: bool, mask: Callable[[str], str] = str) -> None:
    """Set logging up for this process. `runs`: the logger that tells of runs, shown from INFO on; None: not shown.

    `debug`: failed attempts are shown, too, and how scripts and servers are started. `mask`: takes the secrets out
    of a text.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(mask, _DETAILED))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    if not debug:
        # A failed attempt is in the run's history, where it belongs.
        logging.getLogger("temporalio.activity").setLevel(logging.ERROR + 1)
        logging.getLogger("temporalio.worker").setLevel(logging.ERROR)
    else:
        logging.getLogger("activities").setLevel(logging.DEBUG)
    logging.getLogger("temporalio.worker._workflow").addFilter(_missing_key_in_a_line)
    if runs:
        _show(logging.getLogger(runs), mask)


def _missing_key_in_a_line(record: logging.LogRecord) -> bool:
    """Tell that a run cannot be read without a traceback: nothing is broken, and it goes on once the key is there."""
    if record.exc_info and isinstance(error := record.exc_info[1], MissingKey):
        record.msg, record.exc_info = f"{record.getMessage()}: {error}", None
        record.args = ()
    return True


def set_up_last_resort() -> None:
    """Set up what is logged in a process that sets up no logging: warnings and worse, to stderr."""
    if logging.lastResort:
        logging.lastResort.setFormatter(_Formatter(str, "%(message)s"))


def _show(logger: logging.Logger, mask: Callable[[str], str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(mask, "%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Formatter(logging.Formatter):
    """Format records so that nothing in them steers a terminal, or passes for a record of its own: see the indent."""

    def __init__(self, mask: Callable[[str], str], shape: str, times: str | None = None) -> None:
        super().__init__(shape, times)
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as it is written."""
        return printable(self._mask(super().format(record))).rstrip("\n").replace("\n", "\n    ")
