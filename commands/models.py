"""`--list-models`: which models a flow uses, or what the environment's endpoint offers."""

import json as json_format
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from console import model_tables
from console.problems import print_json
from console.screen import Screen
from grammar.documents.models import ModelConfig, Task
from grammar.errors import InvalidFlow, Problem
from grammar.loading import bundle
from grammar.loading.bundle import LoadOptions
from grammar.loading.model_list import ModelUse, models_of
from grammar.messages import endpoint
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.endpoint import Endpoint

TIMEOUT = 5.0
MOST_BYTES = 4 * 1024 * 1024


def run(flows: Sequence[str], order: LoadOptions, view: Screen, json: bool) -> int:
    """Tell it. Returns the exit code: 2 where the endpoint cannot be asked. Raises InvalidFlow."""
    if len(flows) > 1:
        raise InvalidFlow([Problem("command line", 0, "--list-models", "give one taskflow, or none")])
    if flows or order.model_config:
        config, tasks = _flow(flows[0], order) if flows else (bundle.model_config(order), ())
        found = models_of(config, tasks, os.environ)
        model_tables.print_models(view.out, found)
        if json:
            print_json({"models": [one.model_dump() for one in found]})
        return 0
    return _environment(view, json)


def _flow(flow: str, order: LoadOptions) -> tuple[ModelConfig, Sequence[Task]]:
    found = bundle.load(bundle.lint_options(order, flow)).bundle
    return found.config, found.tasks


def _environment(view: Screen, json: bool) -> int:
    default = models_of(ModelConfig(), [Task(user_prompt="")], os.environ)[0]
    chosen = endpoint.choose(ModelSpec(), os.environ)
    offered = ask(chosen) if chosen.url else Offered()
    model_tables.print_default(view.out, default, offered.ids, offered.error)
    if json:
        told: ModelUse = default
        print_json({**told.model_dump(include={"model", "endpoint", "token", "token_is_set"}), **vars(offered)})
    return 2 if offered.error else 0


@dataclass(frozen=True)
class Offered:
    """The ids of the models that an endpoint offers; None, with the reason, where it does not say."""

    ids: list[str] | None = None
    error: str | None = None


def ask(chosen: Endpoint) -> Offered:
    """What the endpoint answers to `GET /models`, within a few seconds. The key goes nowhere else."""
    import httpx2  # slow to load

    url = f"{(chosen.url or '').rstrip('/')}/models"
    shown = endpoint.shown(url)
    headers = {"Authorization": f"Bearer {chosen.key}"} if chosen.key else {}
    headers |= {"Copilot-Integration-Id": "vscode-chat"} if chosen.copilot else {}
    try:
        with httpx2.stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=False) as answer:
            if not answer.is_success:
                return Offered(error=f"{shown} answers {answer.status_code} {answer.reason_phrase}".rstrip())
            return Offered(_ids(_read(answer.iter_bytes())))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:  # its text may show a header: the key
        reason = f": {error}" if isinstance(error, httpx2.ConnectError) else ""
        return Offered(error=f"{shown} cannot be reached: {type(error).__name__}{reason}")
    except (ValueError, KeyError, TypeError, RecursionError):
        return Offered(error=f"{shown} does not answer with a list of models")


def _read(chunks: Iterator[bytes]) -> bytes:
    """The answer. Raises ValueError where it is too long, or takes too long."""
    deadline = time.monotonic() + TIMEOUT
    read = bytearray()
    for chunk in chunks:
        read += chunk
        if len(read) > MOST_BYTES or time.monotonic() > deadline:
            raise ValueError
    return bytes(read)


def _ids(answer: bytes) -> list[str]:
    return sorted(str(one["id"]) for one in json_format.loads(answer)["data"])
