"""Where this machine's taskflows keep their state."""

import os
from pathlib import Path

from platformdirs import user_state_path


def state_dir() -> Path:
    """Return `TASKFLOW_STATE_DIR`, else the platform's state directory. It is made if need be, for this user alone."""
    configured = os.environ.get("TASKFLOW_STATE_DIR")
    path = Path(configured).expanduser().absolute() if configured else user_state_path("temporal-taskflow", False)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
