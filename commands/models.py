"""`models`: which models a flow uses, or what the environment's endpoint offers."""

import json as json_format
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from commands import options
from console import model_tables
from console.problems import print_json
from console.screen import Screen, open_screen
from grammar.documents.models import ModelConfig, Task
from grammar.exit_codes import ExitCode
from grammar.loading import bundle
from grammar.loading.bundle import LoadOptions
from grammar.loading.model_list import ModelUse, models_of
from grammar.messages.activity_requests import ModelSpec
from grammar.model_access import endpoint
from grammar.model_access.endpoint import Endpoint

TIMEOUT = 5.0
MOST_BYTES = 4 * 1024 * 1024


def models(
    flow: Annotated[str | None, typer.Argument(metavar="FLOW", help="A path, or a dotted name.")] = None,
    globals_: options.Globals = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    json: options.Json = False,
) -> int:
    """Tell which models FLOW uses; else, which the endpoint offers."""
    if not flow and not model_config:
        return _of_environment(open_screen(json), json)
    config, tasks = _read(options.load_options(flow or "", globals_, model_config, path, strict))
    found = models_of(config, tasks, os.environ)
    model_tables.print_models(open_screen(json).out, found)
    if json:
        print_json({"models": [use.model_dump() for use in found]})
    return 0


def _read(asked: LoadOptions) -> tuple[ModelConfig, Sequence[Task]]:
    """Return the model config and the tasks of the flow; without a flow, those of the model config alone."""
    if not asked.flow:
        return bundle.model_config(asked), ()
    found = bundle.load(bundle.lint_options(asked, asked.flow)).bundle
    return found.config, found.tasks


def _of_environment(screen: Screen, json: bool) -> int:
    default = models_of(ModelConfig(), [Task(user_prompt="")], os.environ)[0]
    chosen = endpoint.choose(ModelSpec(), os.environ)
    offered = ask(chosen) if chosen.url else OfferedModels()
    model_tables.print_default(screen.out, default, offered.ids)
    if offered.error:
        screen.err.print(Text(f"error: {offered.error}", "red"))
    if json:
        told: ModelUse = default
        print_json({**told.model_dump(include={"model", "endpoint", "token", "token_is_set"}), **vars(offered)})
    return ExitCode.BAD_INPUT if offered.error else ExitCode.DONE


@dataclass(frozen=True)
class OfferedModels:
    """The ids of the models that an endpoint offers; None where there is none, or, with `error`, it does not say."""

    ids: list[str] | None = None
    error: str | None = None


def ask(chosen: Endpoint) -> OfferedModels:
    """Return what the endpoint answers to `GET /models` within TIMEOUT. Its key goes nowhere else."""
    import httpx2  # slow to load

    base, query = endpoint.split_query(chosen.url or "")
    url = f"{base.rstrip('/')}/models"
    shown = endpoint.shown(url)
    header = endpoint.key_header(chosen)
    said = f"Bearer {chosen.key}" if header == "Authorization" else chosen.key
    headers = endpoint.copilot_headers(chosen, os.environ) | ({header: said} if said and chosen.key else {})
    try:
        with (
            httpx2.Client(mounts=endpoint.PAST_PROXIES, timeout=TIMEOUT) as client,
            client.stream("GET", url, params=query, headers=headers) as answer,
        ):
            if not answer.is_success:
                return OfferedModels(error=f"{shown} answers {answer.status_code} {answer.reason_phrase}".rstrip())
            return OfferedModels(_ids(_body(answer.iter_bytes())))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:  # its text may show a header: the key
        reason = f": {error}" if isinstance(error, httpx2.ConnectError) else ""
        return OfferedModels(error=f"{shown} cannot be reached: {type(error).__name__}{reason}")
    except (ValueError, KeyError, TypeError, RecursionError):
        return OfferedModels(error=f"{shown} does not answer with a list of models")


def _body(chunks: Iterator[bytes]) -> bytes:
    """The answer. Raises ValueError where it is too long, or takes too long."""
    deadline = time.monotonic() + TIMEOUT
    read = bytearray()
    for chunk in chunks:
        read += chunk
        if len(read) > MOST_BYTES or time.monotonic() > deadline:
            raise ValueError
    return bytes(read)


def _ids(answer: bytes) -> list[str]:
    return sorted(str(model["id"]) for model in json_format.loads(answer)["data"])
