"""What a process runs with, and in what a worker may differ from who started the run."""

from typing import Any

import pytest

from grammar.documents.models import ModelConfig, ServerParams, Task, Toolbox
from grammar.documents.rules import DryRunScript
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import (
    ProcessSetup,
    WorkerIdentity,
    asks_models,
    differences,
    embedded_apis,
    runs_processes,
)

KEYS = {"AI_API_TOKEN": "sk-secret"}
HERE = "https://a.example/v1"
MEANT = ProcessSetup(
    folder="/home/me/x", endpoint=HERE, messages_endpoint=HERE, model="gpt-4.1", version="1", host="here"
)


def bundle(*tasks: Task, **fields: Any) -> Bundle:
    return Bundle(name="flow", source="flow.yaml", tasks=list(tasks), **fields)


def agent(**fields: Any) -> Task:
    return Task(agents=("who",), user_prompt="x", **fields)


@pytest.mark.parametrize(
    ("environ", "endpoint", "messages_endpoint", "model"),
    [
        ({}, None, None, "gpt-4.1"),
        (KEYS, "https://api.githubcopilot.com", "https://api.githubcopilot.com", "gpt-4.1"),
        ({"AI_API_ENDPOINT": "https://me:pw@a.example/v1?api-key=k#k"} | KEYS, HERE, HERE, "gpt-4.1"),
        ({"AI_API_ENDPOINT": "http://[::1", "COPILOT_DEFAULT_MODEL": "m"}, "a wrong URL", "a wrong URL", "m"),
        ({"OPENAI_API_KEY": "sk-secret"}, "https://api.openai.com/v1", None, "gpt-4.1"),
        ({"ANTHROPIC_API_KEY": "sk-secret"}, None, "https://api.anthropic.com", "gpt-4.1"),
    ],
)
def test_a_setup_holds_no_secret(
    environ: dict[str, str], endpoint: str | None, messages_endpoint: str | None, model: str
) -> None:
    setup = ProcessSetup.of(environ, "/x", "1", "here")
    assert (setup.endpoint, setup.messages_endpoint, setup.model) == (endpoint, messages_endpoint, model)
    assert "sk-secret" not in setup.model_dump_json()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"endpoint": None},
        {"messages_endpoint": None},
        {"messages_endpoint": "https://b.example"},
        {"endpoint": None, "messages_endpoint": None},
        {"folder": "/a; b; c"},
    ],
)
def test_an_identity_is_read_back(changes: dict[str, object]) -> None:
    setup = MEANT.model_copy(update=changes)
    assert WorkerIdentity.parse(str(WorkerIdentity(4711, setup))) == WorkerIdentity(4711, setup)


@pytest.mark.parametrize("identity", ["", "4711@host", "x@host; /x; m; e; 1", "4711@host; m; 1"])
def test_other_identities_are_not_ours(identity: str) -> None:
    assert WorkerIdentity.parse(identity) is None


@pytest.mark.parametrize(
    ("changes", "home", "host", "told"),
    [
        ({}, "/home/me", "here", "worker 4711 in ~/x, model gpt-4.1 at a.example"),
        ({}, "/home/m", "there", "worker 4711 on here in /home/me/x, model gpt-4.1 at a.example"),
        ({"endpoint": None, "folder": ""}, "/", "here", "worker 4711, models at a.example"),
        (
            {"endpoint": None, "messages_endpoint": None, "folder": ""},
            "/",
            "h",
            "worker 4711 on here, the embedded toy model",
        ),
    ],
)
def test_a_worker_as_people_read_it(changes: dict[str, object], home: str, host: str, told: str) -> None:
    assert WorkerIdentity(4711, MEANT.model_copy(update=changes)).described(home, host) == told


OTHER = {"endpoint": "https://b.example", "model": "m", "version": "2", "folder": "/y", "host": "there"}
CLAUDE = ModelConfig(backend="anthropic_sdk")
OWN_ENDPOINT = ModelConfig(models={"own": "id"}, model_settings={"own": {"endpoint": "https://own.example"}})


@pytest.mark.parametrize(
    ("flow", "started", "serving", "found"),
    [
        (bundle(agent()), {}, {}, []),
        (bundle(agent()), {}, {"endpoint": "https://a.example/v1/", "folder": "/y"}, []),
        (bundle(agent()), {}, OTHER, ["endpoint", "version"]),
        (bundle(agent()), {}, {"endpoint": None}, ["endpoint"]),
        (bundle(agent()), {}, {"model": "m"}, ["model"]),
        (bundle(agent()), {"endpoint": None}, OTHER, ["version"]),
        (bundle(agent(model="named")), {}, {"model": "m"}, []),
        (bundle(agent(model="own"), config=OWN_ENDPOINT), {}, {"endpoint": "https://b.example", "model": "m"}, []),
        (bundle(agent(), config=CLAUDE), {}, {"messages_endpoint": None}, ["endpoint"]),
        (bundle(agent(), config=CLAUDE), {}, {"endpoint": "https://b.example"}, []),
        (bundle(agent(), config=CLAUDE), {"messages_endpoint": None}, OTHER, ["version"]),
        (bundle(agent()), {}, {"messages_endpoint": "https://b.example"}, []),
        (bundle(Task(run="true")), {}, OTHER, ["version"]),
        (bundle(agent(), script=DryRunScript()), {}, OTHER, ["version"]),
    ],
)
def test_what_differs_is_what_matters(
    flow: Bundle, started: dict[str, object], serving: dict[str, object], found: list[str]
) -> None:
    told = differences(flow, MEANT.model_copy(update=started), MEANT.model_copy(update=serving))
    assert [difference.what for difference in told] == found


def test_a_difference_names_both() -> None:
    (difference,) = differences(bundle(agent()), MEANT, MEANT.model_copy(update={"endpoint": None}))
    assert difference.text == "https://a.example/v1 was meant to answer, and it is the embedded toy model"
    assert difference.changes_answers


@pytest.mark.parametrize(
    ("environ", "apis"),
    [
        ({}, {"chat_completions", "messages"}),
        ({"ANTHROPIC_API_KEY": "x"}, {"chat_completions"}),
        ({"OPENAI_API_KEY": "x"}, {"messages"}),
        ({"AI_API_ENDPOINT": HERE}, set()),
    ],
)
def test_whom_the_embedded_model_stands_in_for(environ: dict[str, str], apis: set[str]) -> None:
    models = ModelConfig(models={"c": "claude-x"}, model_settings={"c": {"api_type": "messages"}})
    flow = bundle(agent(), agent(model="c"), Task(run="true"), config=models)
    assert embedded_apis(flow, environ) == apis


SERVER = Toolbox(server_params=ServerParams(kind="stdio", command="python"))
REMOTE = Toolbox(server_params=ServerParams(kind="sse", url="http://a.example"))


@pytest.mark.parametrize(
    ("flow", "models", "processes"),
    [
        (bundle(agent()), True, False),
        (bundle(agent(), toolboxes={"box": SERVER}), True, True),
        (bundle(agent(), toolboxes={"box": REMOTE}), True, False),
        (bundle(Task(run="true")), False, True),
        (bundle(agent(), script=DryRunScript()), False, False),
    ],
)
def test_what_a_bundle_needs_of_a_worker(flow: Bundle, models: bool, processes: bool) -> None:
    assert (asks_models(flow), runs_processes(flow)) == (models, processes)
