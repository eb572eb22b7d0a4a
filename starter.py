"""Run taskflows, and look after their runs: the edge of the process. The commands are in commands/program.py.

python starter.py FLOW [-g KEY=VALUE]...
python starter.py -p PERSONALITY "prompt"
python starter.py lint FLOW...
python starter.py --help
"""

import signal
import sys

from runtime import stopping, streams
from runtime.local_server import early_worker
from temporal_taskflow.launch import loading, make_private


def main() -> None:
    """Run the command line, as the console script `taskflow` or as `starter.py`, and leave."""
    streams.prepare()
    stopping.interrupt_on(signal.SIGTERM, signal.SIGHUP)
    early_worker.begin(sys.argv[1:])
    with loading():  # beside the worker
        from commands import process_edge
    process_edge.run_and_leave(execute, json="--json" in sys.argv, debug="--debug" in sys.argv)


def execute() -> int:
    """Do what the command line says. Return the exit code. Raises UserError."""
    with loading():
        from commands import program
    try:
        return program.execute()
    finally:
        early_worker.end()


if __name__ == "__main__":
    make_private()
    main()
