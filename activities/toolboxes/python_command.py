"""Command lines of Python that leave the working directory out of its search for modules.

`python -m package` looks in the working directory first, and that may be anybody's: a checkout with a `json.py` of its
own. Python's own means do not do: `-P` and PYTHONSAFEPATH are unknown to 3.10, and whatever the server starts inherits
the variable, so that scripts of other people lose the modules beside them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from temporal_taskflow import launch

SAFE_PATH = "PYTHONSAFEPATH"
"""A toolbox that sets this variable in its `env`, be it to nothing, has its command run as it is written."""

_PYTHON = re.compile(r"python(\d+(\.\d+)*)?")
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_AS_WRITTEN = ("-I", "-P")
# `sys` is built in, so that nothing is searched for before the working directory, '', is off the path.
_LEAVE_OUT = "import sys; sys.path[:] = filter(None, sys.path); "
_MODULE = f"{_LEAVE_OUT}import runpy; del sys.argv[0]; runpy.run_module(sys.argv[0], None, '__main__', True)"
_TEMPLATE = "activities/guardian/template.py"
_CODE = f"{_LEAVE_OUT}exec(compile(sys.argv.pop(1), '<string>', 'exec'))"


def arguments(command: str, args: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return the arguments with which `python -m MODULE` or `python -c CODE` does not look into the working directory.

    Those of any other command, as they are. `env`: the toolbox's.
    """
    if not _PYTHON.fullmatch(PurePath(command).name) or SAFE_PATH in env:
        return list(args)
    place = _first_that_runs(args)
    if place is None or args[place][:2] not in ("-m", "-c"):
        return list(args)
    kind, attached = args[place][:2], args[place][2:]
    what = [attached] if attached else []
    return [*args[:place], "-c", _MODULE if kind == "-m" else _CODE, *what, *args[place + 1 :]]


def template(command: str, args: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return the arguments with which Python becomes a template of `python -m MODULE` or `python SCRIPT`.

    Empty for any other command, and for one that is run as it is written.
    """
    place = _first_that_runs(args) if _PYTHON.fullmatch(PurePath(command).name) and SAFE_PATH not in env else None
    if place is None or args[place][:2] == "-c" or args[place] == "-":
        return []
    kind, attached = args[place][:2], args[place][2:]
    what = [kind, attached] if kind == "-m" and attached else [args[place]]
    rooms = launch.rooms()
    return [*args[:place], str(rooms / _TEMPLATE), str(rooms), *what, *args[place + 1 :]]


def _first_that_runs(args: Sequence[str]) -> int | None:
    """Where Python's own options end: at `-m`, `-c` or a script. None: there is neither, or Python is told already."""
    is_value = False
    for place, word in enumerate(args):
        if not is_value and (not word.startswith("-") or word[:2] in ("-m", "-c")):
            return place
        if not is_value and word in _AS_WRITTEN:
            return None
        is_value = not is_value and word in _WITH_VALUE
    return None
