"""The examples, as a newcomer runs them."""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import urllib.request
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from grammar.documents.budget import Budget, ConfirmOver, StopAfter
from grammar.documents.document import Document
from grammar.documents.models import KINDS, ModelChoice, Retry, ServerParams, Task
from grammar.dry_run import dry_run_bundle
from grammar.loading import bundle, lint
from grammar.loading.bundle import LoadOptions
from runtime.local_server.supervisor import free_port
from tests.e2e.conftest import ROOT, Desk, EndedProcess, end
from tests.support.dev_server import DevServer
from tests.support.scripted_endpoint import Call, Match, RecordedRequest, Reply, ScriptedEndpoint
from tests.support.waiting import until

DOCUMENTS = sorted(path for path in (ROOT / "taskflows").glob("*/*.yaml") if not path.name.endswith(".dry.yaml"))
EXAMPLES = ROOT / "taskflows/examples"
REHEARSED = sorted(EXAMPLES.glob("*.dry.yaml"))
KEY = "key-of-the-tests"


@dataclass
class ExampleStage:
    """A desk whose worker serves already, with its endpoint: one for all tests here, as its start takes longest."""

    desk: Desk
    endpoint: ScriptedEndpoint

    @property
    def requests(self) -> list[RecordedRequest]:
        return self.endpoint.requests

    @property
    def prompts(self) -> list[str]:
        return [one.prompt for one in self.requests]

    def answer(self, rules: Sequence[Reply]) -> None:
        """From now on; what was asked before is forgotten."""
        self._control("_reset", None)
        self._control("_rules", [rule.model_dump() for rule in rules])

    def run(self, name: str, *arguments: str, rules: Sequence[Reply] = (), code: int = 0) -> EndedProcess:
        """Run an example to its end."""
        self.answer(rules)
        ended = self.desk.run(str(EXAMPLES / f"{name}.yaml"), *arguments)
        assert ended.code == code, ended.out + ended.err
        return ended

    def json(self, name: str, *arguments: str, rules: Sequence[Reply] = (), code: int = 0) -> dict[str, Any]:
        """Run an example; what `--json` tells."""
        return self.run(name, "--json", *arguments, rules=rules, code=code).json

    def history(self, run_id: str) -> str:
        """As Temporal's own CLI prints it in JSON."""
        address = self.desk.env["TEMPORAL_ADDRESS"]
        return self.desk.temporal("workflow", "show", "-w", run_id, "-o", "json", address=address)

    def _control(self, path: str, body: object) -> None:
        url = f"http://127.0.0.1:{self.endpoint.port}/{path}"
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=10).close()


@pytest.fixture(scope="module")
def stage(dev_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleStage]:
    folder = tmp_path_factory.mktemp("stage")
    with ScriptedEndpoint() as endpoint, contextlib.ExitStack() as stack:
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "USER", "TERM") if name in os.environ}
        env |= {
            "TEMPORAL_ADDRESS": dev_server.address, "TASKFLOW_STATE_DIR": str(folder / "state"), "COLUMNS": "200",
            "AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": KEY, "OPENAI_API_KEY": "key-of-its-own",
            "MEMCACHE_STATE_DIR": str(folder), "LOGBOOK_STATE_DIR": str(folder), "TMPDIR": str(folder),
            "ECHO_SSE_PORT": str(free_port(0)), "ECHO_HTTP_PORT": str(free_port(0)), "ECHO_OWN_PORT": str(free_port(0)),
            "MEMBER_NAME": "Ada Lovelace",
        }  # fmt: skip
        desk = Desk(folder, env)
        stack.callback(close, desk)
        worker = desk.worker()
        yield ExampleStage(desk, endpoint)
        assert worker.poll() is None


def close(desk: Desk) -> None:
    desk.kill_all()
    for process in desk.running:
        if process.stdout and not process.stdout.closed:
            process.communicate()


def calls(name: str, **arguments: Any) -> list[Call]:
    return [Call(name=name, arguments=arguments)]


def statuses(told: dict[str, Any]) -> list[str]:
    return [task["status"] for task in told["tasks"]]


def test_hello_on_the_embedded_model(desk: Desk) -> None:
    ended = desk.run(str(EXAMPLES / "hello.yaml"), timeout=110)
    assert ended.code == 0, ended.err
    assert "135M toy model" in ended.err
    assert "describe each  done    4/4" in ended.out
    assert all(f"✓ item {number} of 4" in ended.err for number in (1, 2, 3, 4))


def test_echo_shows_the_tool_call_and_its_result(stage: ExampleStage) -> None:
    rules = [
        Reply(when=Match(turn=0), tool_calls=calls("echo_tool", message="Hello World")),
        Reply(when=Match(tool_result="Hello World"), text="It answered."),
    ]
    ended = stage.run("echo", rules=rules)
    assert '→ echo_tool({"message": "Hello World"})' in ended.err
    assert "Echo: Hello World" in ended.err.split("←")[1]
    assert "assistant: It answered." in ended.err
    assert stage.requests[0].tools == ["echo_tool"]


def test_personality_mode(stage: ExampleStage) -> None:
    stage.answer([Reply(text="An answer.")])
    ended = stage.desk.run("-p", "seclab_taskflow_agent.personalities.assistant", "What is {{ 1 }}?")
    assert ended.code == 0, ended.err
    assert "assistant: An answer." in ended.err
    assert stage.prompts == ["What is {{ 1 }}?"]


def test_memcache(stage: ExampleStage) -> None:
    set_colors = calls("memcache_set_state", key="colors", value=["red", "green", "blue"])
    get_colors = calls("memcache_get_state", key="colors")
    rules = [
        Reply(when=Match(turn=0, prompt="Store"), tool_calls=set_colors),
        Reply(when=Match(turn=0, prompt="Get"), tool_calls=get_colors),
    ]
    ended = stage.run("memcache", rules=rules)
    assert '["red", "green", "blue"]' in ended.err.rpartition("←")[2]


def test_globals(stage: ExampleStage) -> None:
    stage.run("globals")
    assert "ripe banana?" in stage.prompts[0]
    stage.run("globals", "-g", "fruit=cherry")
    assert "ripe cherry?" in stage.prompts[0]


def test_reusable_prompt(stage: ExampleStage) -> None:
    stage.run("reusable_prompt")
    shared = "\nAnswer in one short sentence of plain words."
    assert stage.prompts == [f"Why does it rain?{shared}", f"Why does the wind blow?{shared}"]


def test_conditions(stage: ExampleStage) -> None:
    told = stage.json("conditions", rules=[Reply(text="a pie")])
    assert statuses(told) == ["done", "skipped", "done", "skipped", "done"]
    assert told["outputs"] == {"count": 3, "few": "a pie"}
    assert stage.prompts == [
        "There are 3 apples, no more than 10. What do I cook?",
        "Write a shopping list for: a pie\n",
    ]


def test_budget(stage: ExampleStage) -> None:
    """At $0.80 a request, the first item uses up the budget; the one beside it is completed, and the rest is done."""
    told = stage.json("budget", rules=[Reply(text="known", usage=(0, 500_000))], code=4)
    assert statuses(told) == ["done", "failed", "done"]
    assert [(one["value"], one["result"]) for one in told["outputs"]["described"]] == [
        ("Lima", "known"),
        ("Oslo", "known"),
    ]
    (failure,) = told["tasks"][1]["failures"]
    assert failure["message"].startswith("the budget of describe each is used up: $1.60 of $0.50. ")
    assert "left to do: 4 of 6 branches of describe each, sum up" in failure["message"]
    assert (len(stage.requests), told["budget"]["spent"]["usd"]) == (3, 5.6)


def test_schema(stage: ExampleStage) -> None:
    review = {"language": "Python", "bugs": [{"line": 2, "what": "number is not defined"}]}
    rules = [
        Reply(when=Match(turn=0, prompt="Find"), text='{"language": "Python", "bugs": [{"line": "two"}]}'),
        Reply(when=Match(turn=1), text="No bugs."),
        Reply(when=Match(turn=2), text=json.dumps(review)),
    ]
    told = stage.json("schema", rules=rules)
    assert told["outputs"] == {"review": review}
    _, first, second, mend = stage.requests
    assert "'what' is a required property" in first.prompt
    assert "No bugs." in str(second.messages)
    assert mend.prompt == "How do I mend line 2 of a Python function? number is not defined"
    assert first.body["response_format"]["json_schema"]["schema"]["required"] == ["language", "bugs"]
    assert "response_format" not in mend.body


def test_models(stage: ExampleStage) -> None:
    """The third model is asked elsewhere: here that is a second endpoint, in place of OpenAI's."""
    config = (ROOT / "taskflows/model_configs/several.yaml").read_text()
    rules = [
        Reply(when=Match(model="gpt-4.1-mini", prompt="ants"), status=400, message="no ants"),
        Reply(when=Match(model="gpt-4.1-mini"), text="mini", delay=0.2),
        Reply(when=Match(model="gpt-4.1"), text="full", delay=0.2),
    ]
    with ScriptedEndpoint([Reply(text="reasoned")]) as other:
        stage.desk.write("several.yaml", config.replace("https://api.openai.com/v1", other.url))
        told = stage.json("models", "-m", "./several.yaml", rules=rules)
    answers = told["outputs"]["answers"]
    assert [(one["value"], one["model"], one["result"]) for one in answers] == [
        ("bees", "fast", "mini"),
        ("bees", "thorough", "full"),
        ("bees", "reasoning", "reasoned"),
        ("ants", "fast", None),
        ("ants", "thorough", "full"),
        ("ants", "reasoning", "reasoned"),
    ]
    assert "no ants" in answers[3]["error"]
    assert "completion: any" in told["tasks"][1]["warnings"][0]
    assert paths_and_keys(stage.endpoint) == {("/v1/chat/completions", f"Bearer {KEY}")}
    assert paths_and_keys(other) == {("/v1/responses", "Bearer key-of-its-own")}
    asked = {(one.body["model"], one.body["temperature"], one.body.get("top_p")) for one in stage.requests}
    assert asked == {("gpt-4.1-mini", 0, 0.9), ("gpt-4.1", 0.7, 0.9), ("gpt-4.1", 0.2, None)}
    assert other.requests[0].body["reasoning"] == {"effort": "low"}
    assert "temperature" not in other.requests[0].body
    compare = stage.requests[-1]
    assert compare.body["max_tokens"] == 300
    assert compare.prompt.count("\n- ") == 5
    asking = [*stage.requests[:-1], *other.requests]
    assert max(sum(one.start <= new.start < one.end for one in asking) for new in asking) == 2


def paths_and_keys(endpoint: ScriptedEndpoint) -> set[tuple[str, str]]:
    return {(one.path, one.headers["authorization"]) for one in endpoint.requests}


def test_handoff(stage: ExampleStage) -> None:
    note = calls("logbook_write", key="plants", entry="Why red? A pigment.")
    rules = [
        Reply(when=Match(system="front desk"), tool_calls=calls("transfer_to_botanist")),
        Reply(when=Match(system="botanist", turn=1), tool_calls=note),
        Reply(when=Match(system="botanist"), text="A pigment."),
    ]
    told = stage.json("handoff", rules=rules)
    assert told["outputs"] == {"answer": "A pigment."}
    desk, botanist, _ = stage.requests
    assert {"transfer_to_botanist", "transfer_to_geologist", "logbook_write"} <= set(desk.tools)
    assert "You are a botanist." in botanist.system
    assert "The logbook tools keep notes" in botanist.system
    assert "A pigment." in (stage.desk.folder / "logbook.json").read_text()


def test_uses(stage: ExampleStage) -> None:
    told = stage.json("uses", rules=[Reply(when=Match(prompt="French"), text="bonjour"), Reply(text="sawasdee")])
    assert [task["name"] for task in told["tasks"]] == ["translate", "translate into Thai", "compare"]
    assert told["outputs"] == {"french": "bonjour", "thai": "sawasdee"}
    assert stage.prompts[0].startswith('Translate "good morning" into French.\n')
    assert stage.prompts[1].startswith('Translate "good evening" into Thai.\n')
    assert stage.prompts[2].endswith("bonjour\nsawasdee")


def test_translate(stage: ExampleStage) -> None:
    stage.run("translate")
    assert stage.prompts == ['Translate "good morning" into French.\nAnswer in one short sentence of plain words.']


def test_confirm(stage: ExampleStage) -> None:
    """The command that is printed answers; here the answer is no."""
    clear = calls("memcache_clear_cache")
    stage.answer([Reply(when=Match(turn=0, prompt="Clear"), tool_calls=clear), Reply(text="done")])
    process = stage.desk.start(str(EXAMPLES / "confirm.yaml"), COLUMNS="1000")
    assert process.stderr
    told = next(line for line in process.stderr if "answer with: " in line)
    assert len(stage.requests) == 1
    command = shlex.split(told.partition("answer with: ")[2])
    assert command[:3] == ["python", "starter.py", "approve"]
    assert stage.desk.run("reject", *command[3:]).code == 0
    ended = end(process)
    assert ended.code == 0, ended.out + ended.err
    asking, refused, unasked, cleared, cannot = stage.requests
    assert "not allowed" in refused.tool_result
    assert "Deleted all keys." in cleared.tool_result
    assert asking.tools == unasked.tools
    assert set(asking.tools) - set(cannot.tools) == {"memcache_clear_cache"}


def test_exclude(stage: ExampleStage) -> None:
    cities = [{"city": "Lima"}, {"city": "Oslo"}]
    rules = [
        Reply(when=Match(turn=0, prompt="Store"), tool_calls=calls("memcache_set_state", key="cities", value=cities)),
        Reply(when=Match(turn=0, prompt="Get"), tool_calls=calls("memcache_get_state", key="cities")),
    ]
    told = stage.json("exclude", rules=rules)
    assert [prompt.split()[0] for prompt in stage.prompts] == ["Store", "Store", "Get", "What", "What"]
    assert [prompt.split()[2] for prompt in stage.prompts[3:]] == ["Lima", "Oslo"]
    assert told["usage"]["requests"] == 5


def test_fan_out(stage: ExampleStage) -> None:
    rules = [
        Reply(when=Match(prompt="What is Lima"), text="$PROMPT", delay=0.5),
        Reply(when=Match(prompt="What is Oslo"), status=400, message="no"),
        Reply(text="$PROMPT", delay=0.1),
    ]
    told = stage.json("fan_out", rules=rules, code=4)
    assert told["status"] == "completed_with_failures"
    described = told["outputs"]["described"]
    assert [(one["value"], one["result"] is None) for one in described] == [
        ("Lima", False),
        ("Oslo", True),
        ("Rome", False),
    ]
    assert described[0]["result"].startswith("What is Lima in Peru known for?")
    shortened = [one for one in stage.requests if one.prompt.startswith("Say")]
    assert [one.prompt.split()[3] for one in shortened] == ["Lima", "Rome"]
    assert shortened[0].end <= shortened[1].start
    assert stage.endpoint.max_in_flight == 2


def test_env(stage: ExampleStage) -> None:
    store = calls("memcache_set_state", key="chess", value="invited")
    rules = [Reply(when=Match(turn=0, prompt="Store"), tool_calls=store)]
    told = stage.json("env", "-g", "club=chess", rules=rules)
    assert told["outputs"]["forgotten"] == "The club is unknown.\n"
    reply = stage.prompts[0]
    assert reply.startswith("Write a friendly reply to this invitation: The chess club invites Ada Lovelace.\n")
    assert reply.endswith("\nSign it with Ada Lovelace.\n")
    assert json.loads((stage.desk.folder / "memory.json").read_text()) == {"chess": "invited"}
    history = readable(stage.history(told["run_id"]))
    assert "The chess club invites" in history
    assert "Lovelace" not in history + json.dumps(told)


def readable(history: str) -> str:
    """A history with what Temporal keeps in base64 made plain."""
    return re.sub(r'"data": "([^"]*)"', lambda found: b64decode(found[1]).decode(errors="replace"), history)


def test_retries(stage: ExampleStage) -> None:
    rules = [Reply(times=2, status=503, message="overloaded"), Reply(text="an answer")]
    told = stage.json("retries", rules=rules, code=4)
    assert told["status"] == "completed_with_failures"
    assert statuses(told) == ["done", "done", "failed", "done"]
    assert told["outputs"] == {"flaky": "worked the second time\n", "agent": "an answer", "last": "done\n"}
    assert "fails for good" in told["tasks"][2]["failures"][0]["message"]
    assert stage.prompts == ["What does it mean that something worked the second time?"] * 3
    events = json.loads(stage.history(told["run_id"]))["events"]
    started = attributes(events, "activityTaskStartedEventAttributes")
    assert [one["attempt"] for one in started if one["attempt"] > 1] == [2, 3]
    scheduled = attributes(events, "activityTaskScheduledEventAttributes")
    (agent,) = [one for one in scheduled if one["activityType"]["name"] == "run_agent"]
    limits = ("startToCloseTimeout", "scheduleToCloseTimeout", "heartbeatTimeout")
    assert [agent[limit] for limit in limits] == ["600s", "3600s", "30s"]


def test_retries_of_what_never_works(stage: ExampleStage) -> None:
    """`on_failure: fail`: the run ends instead of being parked."""
    mark = stage.desk.folder / "taskflow-retries-mark"
    mark.symlink_to(stage.desk.folder / "nowhere" / "mark")
    try:
        told = stage.json("retries", code=1)
    finally:
        mark.unlink()
    assert told["status"] == "failed"
    assert statuses(told) == ["failed", "waiting", "waiting", "waiting"]
    assert "fails the first time" in told["tasks"][0]["failures"][0]["message"]
    started = attributes(json.loads(stage.history(told["run_id"]))["events"], "activityTaskStartedEventAttributes")
    assert max(one["attempt"] for one in started) == 3
    assert stage.requests == []


def attributes(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event[name] for event in events if name in event]


@contextlib.contextmanager
def serving(transport: str, port: str) -> Iterator[None]:
    """A toolbox that somebody else runs, ready to be called."""
    program = [sys.executable, "-m", "taskflows.toolboxes", "echo", "--transport", transport, "--port", port]
    process = subprocess.Popen(program, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        until(lambda: accepts(int(port)))
        yield
    finally:
        process.kill()
        process.wait()


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def test_transports(stage: ExampleStage) -> None:
    names = ["echo_sse_echo_tool", "echo_http_echo_tool", "echo_own_echo_tool"]
    rules = [Reply(when=Match(turn=turn), tool_calls=calls(name, message=name)) for turn, name in enumerate(names)]
    env = stage.desk.env
    with serving("sse", env["ECHO_SSE_PORT"]), serving("streamable", env["ECHO_HTTP_PORT"]):
        stage.run("transports", rules=rules)
    assert stage.requests[0].tools == names
    assert all(f"Echo: {name}" in asked.tool_result for name, asked in zip(names, stage.requests[1:], strict=True))
    assert "The echo tools give a message back." in stage.requests[0].system


def test_sample(stage: ExampleStage) -> None:
    rules = [Reply(when=Match(prompt="bee"), times=1, status=503), Reply(text="$PROMPT")]
    told = stage.json("sample", "-g", "audience=judges", rules=rules)
    assert statuses(told) == ["done"] * 3
    facts = told["outputs"]["facts"]
    assert [one["value"] for one in facts] == ["owl", "whale", "bee", "fox"]
    assert facts[2]["result"].startswith("Tell judges a fact about the bee.")
    assert told["outputs"]["pick"].count("\n- ") == 4


def test_the_sample_that_is_printed_lints_and_dry_runs_anywhere(stage: ExampleStage) -> None:
    """From a directory that has nothing to do with the project."""
    printed = stage.desk.run("sample")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out in (EXAMPLES / "sample.yaml").read_text(encoding="utf-8")
    stage.desk.write("my.yaml", printed.out)
    linted = stage.desk.run("lint", "--strict", "my.yaml")
    assert (linted.code, linted.out) == (0, "1 file, 0 errors, 0 warnings\n"), linted.out
    stage.answer([])
    rehearsed = stage.desk.run("--dry-run", "my.yaml")
    assert rehearsed.code == 0, rehearsed.out + rehearsed.err
    assert "assistant: ▷ Tell children a fact about the item 1." in rehearsed.err
    assert stage.requests == []


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_document_lints_clean(path: Path) -> None:
    found = lint.lint(str(path), LoadOptions("", strict=True))
    assert (found.problems, found.warnings) == ((), ())


@pytest.mark.parametrize("path", REHEARSED, ids=name_of)
def test_every_rules_file_fits_its_example(path: Path) -> None:
    example = path.with_name(path.name.replace(".dry", ""))
    rules = dry_run_bundle.rules_beside(example)
    assert rules == path
    script = dry_run_bundle.as_dry_run(bundle.load(LoadOptions(str(example))), rules).bundle.script
    assert script
    assert script.rules


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=name_of)
def test_every_example_is_run_by_a_test(path: Path) -> None:
    name = path.name.split(".")[0]
    assert f"def test_{name}" in Path(__file__).read_text(encoding="utf-8")


PARTS: tuple[type[Document], ...] = (Task, Retry, ModelChoice, ServerParams, Budget, StopAfter, ConfirmOver)


def used() -> dict[type[Document], set[str]]:
    """The fields that the documents under taskflows/ write, by the kind of thing they are fields of."""
    found: dict[type[Document], set[str]] = {model: set() for model in (*KINDS.values(), *PARTS)}

    def take(model: type[Document], part: Any) -> None:
        found[model] |= part.keys()

    for path in DOCUMENTS:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        take(KINDS[document.pop("seclab-taskflow-agent")["filetype"]], document)
        tasks = [entry["task"] for entry in document.get("taskflow", ())]
        for task in (*tasks, document.get("defaults", {})):
            take(Task, task)
            take(Retry, task.get("retry", {}))
            take(StopAfter, task.get("stop_after", {}))
            for choice in task.get("models", ()):
                take(ModelChoice, choice if isinstance(choice, dict) else {})
        take(ServerParams, document.get("server_params", {}))
        take(Budget, document.get("budget", {}))
        take(ConfirmOver, document.get("confirm_over", {}))
    return found


@pytest.mark.parametrize(("model", "fields"), used().items(), ids=lambda one: getattr(one, "__name__", ""))
def test_every_field_is_shown_by_a_document(model: type[Document], fields: set[str]) -> None:
    assert fields == model.known_fields()
