"""How each process of ours finds its modules: the console scripts begin here, and so does every child process.

    python -P launch.py MODULE ARGUMENTS

In a checkout, the rooms (`grammar`, `activities`, ...) lie beside this package. Installed, they lie in it, in `app`,
where nobody else's import meets them. Either way, their folder comes first on `sys.path`: before a package of
somebody else that has the name of a room. The working directory is not on it at all.
"""

import sys
from importlib import import_module
from pathlib import Path


def rooms() -> Path:
    """Return the folder that holds the rooms, `starter.py` and `worker.py`."""
    installed = Path(__file__).absolute().with_name("app")
    return installed if installed.is_dir() else installed.parents[1]


def command(module: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
    """Return the command line of a process that calls `main()` of a module of ours; `options` are Python's own.

    It depends on no variable and no working directory: the environment of a child is what its parent hands on.
    """
    return [sys.executable, "-P", *options, str(Path(__file__).absolute()), module, *arguments]


def call(module: str) -> None:
    """Call `main()` of a module of ours, which reads `sys.argv`."""
    sys.path.insert(0, str(rooms()))
    import_module(module).main()


def starter() -> None:
    """Run the console script `taskflow`."""
    call("starter")


def worker() -> None:
    """Run the console script `taskflow-worker`."""
    call("worker")


def toolbox() -> None:
    """Run the console script `taskflow-toolbox`."""
    call("taskflows.toolboxes.__main__")


if __name__ == "__main__":
    del sys.argv[0]
    call(sys.argv[0])
