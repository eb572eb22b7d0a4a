"""What the worker's window says of runs: when they and their tasks start and end. Nothing is said while replaying."""

import logging

from temporalio import workflow

NAME = "taskflow.runs"
_log = workflow.LoggerAdapter(logging.getLogger(NAME), None)
_log.workflow_info_on_message = False


def say(text: str) -> None:
    """Log a line about the run."""
    _log.info("%s: %s", workflow.info().workflow_id, text)
