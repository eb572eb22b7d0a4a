"""The names by which starter, workflow and activities know each other in Temporal: they stand in open histories."""

import hashlib

WORKFLOW = "TaskflowWorkflow"
TASK_QUEUE = "taskflow"
PREPARE = "prepare"
RUN_AGENT = "run_agent"
RUN_SHELL = "run_shell"
GATHER = "gather"
COUNT_USAGE = "count_usage"
LIMITER = "EndpointLimiter"
SHARE = "share"
HOLD = "hold"

# Temporal's limit.
FAIRNESS_KEY_BYTES = 64

# Search attributes, set where the namespace has them. All keywords.
STATUS_ATTRIBUTE = "TaskflowStatus"
NAME_ATTRIBUTE = "TaskflowName"
BUNDLE_ATTRIBUTE = "TaskflowBundle"

# The memo keys of a run's RunOverview, and of its starter's ProcessSetup.
OVERVIEW_MEMO = "standing"
SETUP_MEMO = "started_with"


def fairness_key(run_id: str) -> str:
    """Return the key of a run, or of a schedule, by which Temporal gives each of them its turn; at most 64 bytes."""
    return run_id if len(run_id.encode()) <= FAIRNESS_KEY_BYTES else hashlib.sha256(run_id.encode()).hexdigest()


def limiter_queue(scope: str) -> str:
    """Return the task queue of the limiters of model endpoints. `scope`: of the workers that serve it; may be empty."""
    return "-".join(filter(None, ["taskflow-limits", scope]))


def journal_folder(run_id: str, key: str) -> str:
    """Return the folder that holds the journals of a run, in all its histories. `key`: TemplateContext's."""
    return hashlib.sha256(f"{run_id} {key}".encode()).hexdigest()[:32]


def activity_id(task_index: int, item: int | None, model: int | None = None, leg: int = 1) -> str:
    """Return the id of a branch's activity, by which a follower finds it in a workflow's description.

    `task_index`, `item` and `model` count from 0, `leg` from 1. `item` None: the task does not repeat; `model` None:
    it has one model. `position_of` (grammar/messages/history.py) is the inverse.
    """
    parts = [f"task-{task_index + 1}"]
    parts += [f"item-{item + 1}"] if item is not None else []
    parts += [f"model-{model + 1}"] if model is not None else []
    parts += [f"leg-{leg}"] if leg > 1 else []
    return "-".join(parts)
