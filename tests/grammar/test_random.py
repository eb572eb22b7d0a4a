"""Whatever a file says: no traceback, nothing that takes over 5 s, and never more than 500 MB.

Examples run in a child process, which can be ended when it hangs. `make fuzz` tries far more of them, at random.
"""

import asyncio
import contextlib
import json
import os
import pickle
import resource
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

from activities.process.render import Renderer
from grammar.documents.document import Document
from grammar.documents.models import KINDS, ModelChoice, Retry, ServerParams, Task
from grammar.documents.values import ToolResult
from grammar.dry_run import dry_run_bundle, placeholder
from grammar.errors import InvalidFlow, TaskError
from grammar.loading import bundle, schemas
from grammar.loading.bundle import LoadOptions
from grammar.loading.lint import Findings, lint
from grammar.messages.activity_requests import PrepareRequest, TemplateContext
from grammar.messages.activity_results import Page
from grammar.preparing import outputs
from grammar.preparing.preparation import RenderFailure, page
from grammar.problems import Problem

FULL = bool(os.environ.get("FUZZ"))
SECONDS = 5.0  # of work, as other tests may have the processor at the same time
HANGS = 20.0  # of work as well
NEVER_ANSWERS = 110.0
MEGABYTES = 500
ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = "seclab-taskflow-agent"
TRIED: Counter[str] = Counter()
WORST: dict[str, float] = {"seconds": 0.0, "MB": 0.0}


def times(few: int, many: int) -> settings:
    """So many examples: the same ones in each `make test`, others in each `make fuzz`."""
    return settings(
        max_examples=many if FULL else few,
        derandomize=not FULL,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# The child: one example after the other, in a directory of its own.


def serve() -> None:
    """Answer (what, arguments) with (error or None, seconds of work, peak MB)."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while header := sys.stdin.buffer.read(4):
        what, given_ = pickle.loads(sys.stdin.buffer.read(struct.unpack("!I", header)[0]))
        wrong, before = None, time.process_time()
        try:
            CHECKS[what](*given_)
        except BaseException as error:
            wrong = f"{type(error).__name__}: {error}\n{_trace(error)}"
        used = resource.getrusage(resource.RUSAGE_SELF)
        answer = pickle.dumps((wrong, used.ru_utime + used.ru_stime - before, used.ru_maxrss / 1024))
        answers.write(struct.pack("!I", len(answer)) + answer)
        answers.flush()


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))[-3000:]


def _lay(files: dict[str, bytes]) -> None:
    for entry in Path().iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    os.mkfifo("pipe.yaml")
    Path("folder.yaml").mkdir()
    Path("loop.yaml").symlink_to("loop.yaml")


def _sound(problems: Any) -> None:
    for one in problems:
        assert isinstance(one, Problem)
        assert one.message
        assert str(one).isprintable()
        assert len(str(one)) < 6000


def _look(files: dict[str, bytes], document: str, given_: dict[str, Any]) -> None:
    """Everything that is done with a file before a run."""
    _lay(files)
    order = LoadOptions(document, **given_)
    found = lint(document, order)
    assert isinstance(found, Findings)
    _sound((*found.problems, *found.warnings, *(need.where for need in found.needs)))
    try:
        loaded = bundle.load(replace(order, flow=document))
        loaded.bundle.model_dump_json()
        dry_run_bundle.as_dry_run(loaded, None).bundle.model_dump_json()
    except InvalidFlow as invalid:
        assert invalid.problems
        _sound((*invalid.problems, *invalid.warnings))


def _rules(files: dict[str, bytes], rules: str) -> None:
    _lay({**files, "plain.yaml": b"taskflow: [{task: {name: a, run: ls}}, {task: {id: b, run: ls}}]"})
    try:
        dry_run_bundle.as_dry_run(bundle.load(LoadOptions("plain.yaml")), Path(rules))
    except InvalidFlow as invalid:
        _sound(invalid.problems)


def _persona(files: dict[str, bytes], name: str, prompt: str, given_: dict[str, Any]) -> None:
    _lay(files)
    try:
        bundle.from_personality(name, prompt, LoadOptions("", **given_)).bundle.model_dump_json()
    except InvalidFlow as invalid:
        _sound(invalid.problems)


def _nasty(name: str) -> None:
    _look({"a.yaml": NASTY[name]()}, "a.yaml", {})


def _schema(schema: Any) -> None:
    said = outputs.malformed(schema)
    assert said is None or said


CHECKS: dict[str, Callable[..., None]] = {
    "look": _look,
    "rules": _rules,
    "persona": _persona,
    "schema": _schema,
    "nasty": _nasty,
}


class Child:
    """The process that tries one example after the other."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "ignore", "-m", "tests.grammar.test_random"]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder, env=environ, bufsize=0
        )

    def __call__(self, what: str, *given_: Any) -> None:
        """Fails for an error, for a hang, and for too much memory."""
        request = pickle.dumps((what, given_))
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(struct.pack("!I", len(request)) + request)
        if not self._answers(process.stdout):
            self._again()
            pytest.fail(f"hangs: over {HANGS} s of work, or {NEVER_ANSWERS} s without an answer")
        header = process.stdout.read(4)
        if not header:
            code = process.wait()
            self._again()
            pytest.fail(f"the process died: {code}")
        wrong, seconds, peak = pickle.loads(process.stdout.read(struct.unpack("!I", header)[0]))
        try:
            note(seconds, peak)
            assert wrong is None, wrong
        except AssertionError:
            self._again()
            raise

    def _answers(self, answers: IO[bytes]) -> bool:
        """Whether an answer comes, unless the child works too long for it, or does nothing at all."""
        since, begun = time.monotonic(), self._worked()
        while not select.select([answers], [], [], 1)[0]:
            if self._worked() - begun > HANGS or time.monotonic() - since > NEVER_ANSWERS:
                return False
        return True

    def _worked(self) -> float:
        """Seconds that the child has worked."""
        with contextlib.suppress(psutil.NoSuchProcess):
            used = psutil.Process(self._process.pid).cpu_times()
            return used.user + used.system
        return 0.0

    def _again(self) -> None:
        self.close()
        self._process = self._start()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def note(seconds: float, megabytes: float) -> None:
    WORST["seconds"], WORST["MB"] = max(WORST["seconds"], seconds), max(WORST["MB"], megabytes)
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


@pytest.fixture(scope="module", autouse=True)
def child() -> Iterator[Child]:
    process = Child()
    yield process
    process.close()
    shutil.rmtree(process.folder)


@pytest.fixture(scope="module", autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if not FULL:
        return
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        line = ", ".join(f"{TRIED[name]:,} {name}" for name in ("documents", "templates", "schemas", "command lines"))
        print(f"\ntried {line}; longest {WORST['seconds']:.2f} s, peak {WORST['MB']:.0f} MB")


# What a file may say.

WORDS = st.sampled_from([
    "", "a", "b", "c", "x", "1", "~", "é", "\n", "\x1b[31m", "\u2028", "a" * 300, "{{ globals.a }}",
    "{% include 'b' %}",
    "{% include './c.yaml' %}", "{{ outputs.one }}", "{{ env('X') }}", "{{", "{% if %}", "-p a do it",
    "-p ../a.yaml b",
    "30s", "0s", "1d", "[a-", "(a+)+$", "{{ a.__class__ }}", "{{ result.x.y[0] }}", "{{ (" + "a." * 400 + "a) }}",
])  # fmt: skip
REFERENCES = st.sampled_from([
    "a", "b", "c", "lib.d", "a.yaml", "./b.yaml", "lib/d.yaml", "../a.yaml", "../../../../etc/passwd.yaml",
    "./lib/../c.yaml",
    "/dev/zero", "/dev/stdin", "/dev/null", "/proc/self/pagemap", "pipe.yaml", "./pipe.yaml", "folder.yaml", "folder",
    "loop.yaml", "", ".", "..", "a..b", "é.ü", "x" * 300, "./" + "x" * 5000 + ".yaml", "a\nb", "a/\x00.yaml",
    "__main__.x",
    "os.path", "yaml.a", "-", "http://x/y.yaml", "taskflows.toolboxes.echo", "seclab_taskflow_agent.toolboxes.echo",
])  # fmt: skip
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 600), st.sampled_from([10**25, 10**290, -(10**308)]),
    st.floats(), WORDS, REFERENCES, st.text(max_size=5),
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
REFERRING = st.lists(REFERENCES, max_size=3)
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "uses": REFERENCES, "agents": REFERRING, "toolboxes": REFERRING, "model_config": REFERENCES,
    "user_prompt": WORDS, "over": st.sampled_from(["outputs.one", "globals.a", "range(3)", "(", "a" * 500,
    "a." * 999]),
    "if": WORDS, "run": st.just("ls"), "id": st.sampled_from(["one", "two", "1", "a b"]), "personality": WORDS,
    "task": WORDS, "prompt": WORDS, "kind": st.sampled_from(["stdio", "sse", "streamable", "x"]), "command": WORDS,
    "env": st.dictionaries(st.sampled_from("XY"), WORDS, max_size=2), "repeat_prompt": st.booleans(),
    "models": st.lists(WORDS | st.builds(dict, model=WORDS, surprise=WORDS), max_size=2),
    "globals": st.dictionaries(st.sampled_from(["a", "b"]), ANYTHING, max_size=2),
}  # fmt: skip


def fields(model: type[Document], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map with some of its fields, likely and unlikely values in them, and at times a field that is none."""
    names = sorted({*model.known_fields(), "surprise", "tsak", "\x07"})

    @st.composite
    def draw(pick: st.DrawFn) -> dict[str, Any]:
        chosen = pick(st.lists(st.sampled_from(names), max_size=5, unique=True))
        likely = {**LIKELY, **more}
        return {one: pick(likely.get(one, ANYTHING) if pick(st.integers(0, 5)) else ANYTHING) for one in chosen}

    return draw()


TASK = st.deferred(
    lambda: fields(Task, retry=fields(Retry), models=st.lists(fields(ModelChoice), max_size=2), outputs=SCHEMAS)
)
TASKS = st.lists(st.builds(lambda task: {"task": task}, TASK) | ANYTHING, max_size=3)
RUNNING = st.builds(lambda task: {"taskflow": [{"task": {**task, "run": "ls"}}]}, TASK)
USING = st.builds(lambda one, two: {"taskflow": [{"task": {"uses": one, **two}}]}, REFERENCES, TASK)
HEADERS = st.sampled_from([None, *KINDS]).map(lambda kind: {"version": 1, "filetype": kind}) | ANYTHING
PROMPTS = st.builds(lambda text: {"prompt": "".join(text)}, st.lists(WORDS, max_size=4))
DOCUMENTS = st.one_of(
    st.builds(lambda document, tasks: {**document, "taskflow": tasks}, fields(KINDS["taskflow"], defaults=TASK), TASKS),
    RUNNING, USING, PROMPTS,
    fields(KINDS["toolbox"], server_params=fields(ServerParams)),
    *(fields(KINDS[kind]) for kind in ("personality", "model_config", "prompt")),
)  # fmt: skip


@st.composite
def texts(pick: st.DrawFn) -> bytes:
    """One document as it is written; at times changed in some places."""
    document = pick(DOCUMENTS)
    if pick(st.booleans()):
        document = {HEADER: pick(HEADERS), **document}
    text: bytes = yaml.safe_dump(document, allow_unicode=pick(st.booleans()), sort_keys=False).encode()
    for _ in range(pick(st.sampled_from([0, 0, 0, 1, 2, 4]))):
        at = pick(st.integers(0, len(text)))
        text = text[:at] + pick(SPLICED) + text[at + pick(st.integers(0, 6)) :]
    return text


SPLICED = st.binary(max_size=4) | st.sampled_from([
    b"&a ", b"*a", b"<<: *a\n", b"? ", b"- ", b"[", b"{", b"]", b"}", b": ", b"\n", b"  ", b"\t", b"---\n", b"...\n",
    b"|\n", b">-\n",
    b"!!set ", b"!!omap ", b"!!binary ", b"!!timestamp ", b"!!python/object:os.system ", b"!!int ", b"!!float ",
    b"!!bool ", b"!!null ", b"!!str ", b"!!map ", b"!!seq ", b"!x ", b"!<tag:yaml.org,2002:int> ", b"=", b".nan",
    b".inf",
    b"0x" + b"f" * 400, b"9" * 5000, b"1:59:59", b"0b11", b"0o7", b"1e999", b"\0", b"\xff", b"\xef\xbb\xbf",
    b'"\\ud800"',
    b'"\\x1b"', b"[" * 200, b"{a: " * 200, b"- " * 200, b"%YAML 9.9\n", b"# x\n", b"'", b'"', b"@", b"`",
])  # fmt: skip
ORDERS = st.fixed_dictionaries({}, optional={
    "overrides": st.dictionaries(WORDS, WORDS | st.just("\udcff"), max_size=2),
    "model_config": REFERENCES | st.just("\udcff"),
    "paths": st.lists(st.sampled_from(["lib", "/dev/null", "x" * 300, "\udcff", "",
    "pipe.yaml"]).map(Path), max_size=2).map(tuple),
    "strict": st.booleans(),
})  # fmt: skip
FILES = st.fixed_dictionaries({name: texts() for name in ("a.yaml", "b.yaml")}, optional={
    "c.yaml": texts(), "lib/d.yaml": texts(),
})  # fmt: skip


def flow(text: str) -> dict[str, bytes]:
    return {"a.yaml": f"taskflow:\n- task: {text}\n".encode()}


@times(60, 6000)
@given(FILES, st.just("a.yaml") | REFERENCES, ORDERS)
@example(flow("{run: ls, heartbeat_timeout: 0x" + "f" * 5000 + "}"), "a.yaml", {})
@example(flow("{run: ls, inputs: {a: 0x" + "f" * 5000 + "}}"), "a.yaml", {})
@example(flow("{uses: ./b.yaml, max_steps: x}") | {"b.yaml": flow("{run: ls, max_steps: 3}")["a.yaml"]}, "a.yaml", {})
@example(flow("{run: ls}"), "a.yaml", {"overrides": {"a": "\udcff"}})
@example(flow("{run: ls, agents: ['" + "x" * 300 + "', './" + "y" * 300 + "/z']}"), "a.yaml", {})
@example(flow('{run: ls, "a\\nb": 1, "c\\ed": 2}'), "a.yaml", {})
def test_documents(child: Child, files: dict[str, bytes], document: str, given_: dict[str, Any]) -> None:
    TRIED["documents"] += len(files)
    child("look", files, document, given_)


@times(60, 1000)
@given(FILES, REFERENCES, WORDS | st.just("\udcff"), ORDERS)
def test_personalities(child: Child, files: dict[str, bytes], name: str, prompt: str, given_: dict[str, Any]) -> None:
    TRIED["documents"] += len(files)
    child("persona", files, name, prompt, given_)


RULE = st.fixed_dictionaries({}, optional={
    "when": st.dictionaries(st.sampled_from(["task", "item", "turn", "attempt", "prompt", "model",
    "x"]), SCALARS) | ANYTHING,
    "times": SCALARS, "text": SCALARS, "tool_calls": st.lists(st.dictionaries(st.sampled_from(["name",
    "arguments"]), ANYTHING)),
    "result": ANYTHING, "error": ANYTHING, "stdout": SCALARS, "exit_code": SCALARS, "run": SCALARS,
})  # fmt: skip


@times(60, 1000)
@given(
    st.builds(dict, rules=st.lists(RULE, max_size=3) | ANYTHING),
    st.sampled_from(["r.yaml"] * 5 + ["pipe.yaml", "/dev/zero", "x"]),
)
@example({}, "pipe.yaml")
@example({}, "/dev/zero")
@example({"rules": [{"when": {"prompt": "a{99999999999}"}, "text": "x"}]}, "r.yaml")
def test_dry_run_rules(child: Child, rules: Any, path: str) -> None:
    TRIED["documents"] += 1
    child("rules", {"r.yaml": yaml.safe_dump(rules).encode()}, path)


def test_the_schemas_of_all_kinds() -> None:
    for kind in KINDS:
        assert outputs.malformed(schemas.schema(kind)) is None


# Schemas of `outputs`.

KEYWORDS = [
    "type", "properties", "required", "items", "prefixItems", "pattern", "minItems", "maxItems", "enum", "const",
    "$ref",
    "$dynamicRef", "$id", "$anchor", "$defs", "allOf", "anyOf", "oneOf", "not", "if", "then", "multipleOf",
    "minLength",
    "patternProperties", "additionalProperties", "minimum", "exclusiveMaximum", "format", "contains", "uniqueItems",
    "x",
    "dependentSchemas", "unevaluatedProperties", "propertyNames", "default", "examples", "$schema",
]  # fmt: skip
POINTERS = st.sampled_from([
    "#", "#/$defs/a", "#/type", "#/type/x", "#/type/0", "#/x", "#/x/0", "#/minItems/0", "#a", "http://[",
    "http://127.0.0.1:1/x",
    "file:///etc/passwd", "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-03/schema#",
    "", "%", "#/%zz", "a",
])  # fmt: skip
PATTERNS = st.sampled_from(["(a+)+b$", "a{99999999999}", "((a{1000}){1000}){1000}", "[[a]", "(", "\\p{L}", "(?<!a)b",
"^[^\\s\\S]$", "(a|a)*b", "\\d+"])  # fmt: skip


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from(["a", "b", "(a+)+$"]), inner, max_size=2)
    several = st.lists(inner, max_size=2)
    kinds = st.sampled_from(["object", "array", "string", "integer", "number", "null", "x", ["string", "null"]])
    numbers = st.sampled_from([-1, 0, 1, 2.5, 3, 900, 10**9, 1e308, 1e-300])
    likely: dict[str, st.SearchStrategy[Any]] = {
        "type": kinds, "properties": named, "$defs": named, "patternProperties": named, "dependentSchemas": named,
        "required": st.lists(st.sampled_from(["a", "b"]), unique=True), "$ref": POINTERS, "$dynamicRef": POINTERS,
        "$id": POINTERS, "$schema": POINTERS, "$anchor": st.just("a"), "pattern": PATTERNS,
        "uniqueItems": st.booleans(), "x": inner | SCALARS, "enum": st.lists(SCALARS, max_size=3), "const": SCALARS,
        "format": st.sampled_from(["email", "regex", "x"]),
        "default": SCALARS, "examples": st.lists(SCALARS, max_size=2),
        **dict.fromkeys(("prefixItems", "allOf", "anyOf", "oneOf"), several),
        **dict.fromkeys(("minItems", "maxItems", "multipleOf", "minLength", "minimum", "exclusiveMaximum"), numbers),
    }  # fmt: skip

    @st.composite
    def draw(pick: st.DrawFn) -> Any:
        chosen = pick(st.lists(st.sampled_from(KEYWORDS), max_size=4, unique=True))
        return {one: pick(likely.get(one, inner) if pick(st.integers(0, 9)) else SCALARS) for one in chosen}

    return draw()


SCHEMAS: st.SearchStrategy[Any] = st.recursive(st.booleans() | st.just({}), _larger, max_leaves=6)


@times(100, 2000)
@given(SCHEMAS)
@example({"pattern": "a{99999999999}"})
@example({"$ref": "#/type/x", "type": "object"})
@example({"$ref": "#/minItems/0", "minItems": 1})
@example({"$ref": "http://["})
@example({"items": {"$id": "http://["}})
def test_schemas(child: Child, schema: Any) -> None:
    TRIED["schemas"] += 1
    child("schema", schema)


class Rendering:
    """The renderer, from code that is not asynchronous."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._renderer = Renderer()
        self._loop.run_until_complete(self._renderer.warm_up())

    def __call__(self, work: Callable[..., Any], *given_: Any) -> Any:
        """What it gives, or the TaskError that it raises. Fails for anything else, and for what takes too long."""
        self._loop.run_until_complete(self._renderer.warm_up())
        start = self._spent()
        result: Any
        try:
            result = self._loop.run_until_complete(self._renderer(work, *given_))
        except TaskError as error:
            result = error
        note(self._spent() - start, self._peak())
        return result

    def _spent(self) -> float:
        """Computing time of this child and of all before it: wall time says more about what else the machine does."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = self._renderer._child
        live = psutil.Process(process.pid).cpu_times() if process and process.returncode is None else None
        return used.ru_utime + used.ru_stime + (live.user + live.system if live else 0)

    def _peak(self) -> float:
        process = self._renderer._child
        if process is None or not Path("/proc/self/status").exists():
            return 0
        status = Path(f"/proc/{process.pid}/status").read_text()
        return float(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

    def close(self) -> None:
        self._loop.run_until_complete(self._renderer.close())
        self._loop.close()


@pytest.fixture(scope="module")
def rendering() -> Iterator[Rendering]:
    renderer = Rendering()
    yield renderer
    renderer.close()


@times(80, 1500)
@given(SCHEMAS, ANYTHING)
@example({"$ref": "#/x", "x": 3}, {})
@example({"$ref": "#/x", "x": {"type": 3}}, {})
@example({"$dynamicRef": "#nowhere"}, {})
@example({"$schema": "http://["}, {})
@example({"items": {"$schema": "http://json-schema.org/draft-03/schema#"}}, {})
@example({"type": "string", "pattern": "((((a{1000}){1000}){1000}){1000})"}, {})
def test_values_for_schemas(rendering: Rendering, schema: Any, value: Any) -> None:
    if outputs.malformed(schema) is None:
        TRIED["schemas"] += 1
        assert isinstance(rendering(outputs.complaints, value, schema), list | TaskError)
        assert isinstance(rendering(placeholder.satisfying, schema, None), tuple | TaskError | None)


# Templates.

ATOMS = st.sampled_from([
    "globals", "globals.a", "inputs.b", "outputs.one", "result", "result.x", "env('HOME')", "env('NO', '')", "1",
    "0", "1.5",
    "'a'", "'%s'", "'{0.__class__}'", "[]", "{}", "[1, [2]]", "{'a': 1}", "none", "true", "loop.index", "x", "self",
    "range(9)",
    "range(10**9)", "cycler(1, 2)", "joiner()", "namespace(a=1)", "lipsum", "dict(a=1)", "'a' * 10**9", "9 ** 99",
    "10 ** 5000", "1e999", "'\\ud800'", "''.__class__", "globals.__init__.__globals__", "caller", "varargs",
    "super()", "''.join",
])  # fmt: skip


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(
        inner | st.sampled_from(["10", "10**10", "attribute='a'", "-1", "'%1000000d'"]), max_size=2
    ).map(", ".join)
    return st.one_of(
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "and", "in", "=="]),
            inner,
        ),
        st.builds("{}|{}({})".format, inner, st.sampled_from(sorted(FILTERS)), arguments),
        st.builds("({} is {})".format, inner, st.sampled_from(sorted(name for name in TESTS if name.isidentifier()))),
        st.builds("{}.{}".format, inner, st.sampled_from(["a", "items", "format", "__class__", "mro", "upper"])),
        st.builds(
            "{}.{}({})".format,
            inner,
            st.sampled_from(["items", "format", "format_map", "ljust", "join", "append"]),
            arguments,
        ),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{}][{}]".format, inner, inner),
        st.builds("{{'a': {}}}".format, inner),
    )


EXPRESSIONS = st.recursive(ATOMS, _expressions, max_leaves=5)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, EXPRESSIONS, inner, inner),
        st.builds("{{% for x in {} %}}{}{{% endfor %}}".format, EXPRESSIONS, inner),
        st.builds("{{% for x in {} recursive %}}{{{{ loop([x]) }}}}{{% endfor %}}".format, EXPRESSIONS),
        st.builds("{{% set x = {} %}}{}".format, EXPRESSIONS, inner),
        st.builds("{{% macro m(x) %}}{}{{{{ m(x) }}}}{{% endmacro %}}{{{{ m({}) }}}}".format, inner, EXPRESSIONS),
        st.builds("{{% filter {} %}}{}{{% endfilter %}}".format, st.sampled_from(sorted(FILTERS)), inner),
        st.builds("{{% with x = {} %}}{}{{% endwith %}}".format, EXPRESSIONS, inner),
        st.builds("{{% block b %}}{}{{% endblock %}}".format, inner),
        st.builds("{{% call {} %}}{}{{% endcall %}}".format, EXPRESSIONS, inner),
        st.builds("{{% raw %}}{}{{% endraw %}}".format, inner),
    )


PIECES = st.one_of(
    st.builds("{{{{ {} }}}}".format, EXPRESSIONS), WORDS, st.text(max_size=4),
    st.builds("{{% {} {} %}}".format, st.sampled_from(["include", "import", "extends", "set x =", "from",
    "do"]), EXPRESSIONS),
    st.sampled_from(["{% include 'a' %}", "{% include 'b' %}", "{% include 'a' ignore missing %}", "{{", "}}", "{%",
    "{#", "{% end"]),
)  # fmt: skip
TEMPLATES = st.recursive(PIECES, _blocks, max_leaves=5)


def asked(template: str, **fields_: Any) -> PrepareRequest:
    return PrepareRequest(
        task=Task(user_prompt=template, inputs={"b": [1, {"x": "y"}]}, **fields_),
        surroundings=TemplateContext(key="k", globals={"a": "b", "l": [1, 2]}),
        outputs={"one": [{"x": 1}]},
        result=ToolResult(tool_name="t", text='[{"x": "\\ud800"}, 1]'),
        prompts={"a": "{% include 'b' %}", "b": "{{ globals.a }}{% include 'a' %}", "c": template},
    )


@times(200, 12000)
@given(TEMPLATES)
@example("{{ '\\ud800' }}")
@example("{% set x = 1 if [0]['a'] else 2 %}")
@example("{% set a = [] %}{{ [[a]]|tojson }}" + "{{ (" * 300)
def test_templates(child: Child, rendering: Rendering, template: str) -> None:
    TRIED["templates"] += 1
    prepared = rendering(page, asked(template), {"HOME": "secret"})
    prepared if isinstance(prepared, RenderFailure | TaskError) else prepared.model_dump_json()
    if TRIED["templates"] % 4 == 0:
        document = {
            "taskflow": [{"task": {"agents": ["b"], "user_prompt": template, "if": template, "env": {"X": template}}}]
        }
        files = {
            "a.yaml": yaml.safe_dump(document).encode(),
            "b.yaml": b"personality: x",
            "c.yaml": yaml.safe_dump({"prompt": template}).encode(),
        }
        child("look", files, "a.yaml", {})


@times(150, 3000)
@given(EXPRESSIONS, st.booleans())
@example("[10 ** 5000]", False)
@example("[1e999]", False)
@example("['\\ud800']", False)
def test_expressions(rendering: Rendering, expression: str, condition: bool) -> None:
    TRIED["templates"] += 1
    fields_ = {"if": expression, "repeat_prompt": True} if condition else {"over": expression}
    prepared = rendering(page, asked("{{ result }}", **fields_), {})
    prepared if isinstance(prepared, RenderFailure | TaskError) else prepared.model_dump_json()


LASTING = [
    "{{ 10 ** (10 ** 10) }}",
    "{{ lipsum(9999, max=9999) }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% set a = namespace(x=[1]) %}{% for i in range(60) %}{% set a.x = [a.x, a.x] %}{% endfor %}{{ a.x }}",
]
HARMFUL = [
    "{{ 'a' * 10 ** 9 }}", "{{ '%1000000000d' % 1 }}", "{{ 'a'|center(10 ** 10) }}",
    "{{ '{:1000000000}'.format(1) }}", "{{ ('a ' * 10 ** 6)|wordwrap(1) }}",
    "{{ range(99999)|batch(10 ** 7, 'x')|list }}",
    "{% set a = namespace(x='a') %}{% for i in range(60) %}{% set a.x = a.x ~ a.x %}{% endfor %}{{ a.x }}",
    "{% set a = namespace(x=1) %}{% for i in range(9999) %}{% set a.x = [a.x] %}{% endfor %}{{ a.x|tojson }}",
    "{% macro m(x) %}{{ m(x) }}{{ m(x) }}{% endmacro %}{{ m(1) }}", "{% include 'a' %}", "{% include 'c' %}",
    "{{ ('a' * 10 ** 6)|indent(10 ** 6) }}",
    "{{ 'a'|replace('', 'b' * 10 ** 8) }}",
    "{{ (" + "a." * 5000 + "a) }}", "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "not " * 50000 + "a }}",
    "{% if 1 %}" * 5000 + "{% endif %}" * 5000, "{{ a }}" * 30000, "{{" + "a<" * 99999 + "a}}",
    "{{ '" + "a" * 10 ** 6 + "' }}",
    "{{ " + "9" * 5000 + " }}", "{{ [" + "1," * 99999 + "]|sum }}", "{% set a = 1 %}" * 16000,
]  # fmt: skip


@pytest.mark.parametrize(
    "template", [*HARMFUL, *(LASTING if FULL else LASTING[:1])], ids=lambda template: template[:30]
)
def test_templates_that_mean_harm(child: Child, rendering: Rendering, template: str) -> None:
    TRIED["templates"] += 1
    assert isinstance(rendering(page, asked(template), {}), RenderFailure | TaskError | Page)
    document = {"taskflow": [{"task": {"agents": ["b"], "user_prompt": template}}]}
    child("look", {"a.yaml": yaml.safe_dump(document).encode(), "b.yaml": b"personality: x"}, "a.yaml", {})


# Files that mean harm, through the command line.

TASKFLOW = b"taskflow: [{task: {run: ls}}]\n"
HUGE = 50 * 1024**2


def _bomb() -> bytes:
    lines = [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(["a: &a [x, x, x]", *lines]).encode()


NASTY: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "a long line of 50 MB": lambda: b"a: " + b"x" * HUGE,
    "short documents of 50 MB": lambda: b"a: 1\n---\n" * (HUGE // 9),
    "keys of 50 MB": lambda: b"key: 1\n" * (HUGE // 7),
    "a text of 15 MB": lambda: b"taskflow: [{task: {run: '" + b"x" * 15_000_000 + b"'}}]",
    "short documents": lambda: b"a: 1\n---\n" * 100_000,
    "numbers": lambda: TASKFLOW + b"globals: {a: [" + b"0," * 7_000_000 + b"]}",
    "keys": lambda: TASKFLOW + b"\n".join(b"key%d: 1" % number for number in range(49_000)),
    "wrong items": lambda: b"taskflow: [{task: {run: ls, agents: [" + b"0," * 90_000 + b"]}}]",
    "names": lambda: b"taskflow: [{task: {run: ls, agents: [" + b",".join(b"a%d" % n for n in range(90_000)) + b"]}}]",
    "one name": lambda: b"taskflow: [{task: {run: ls, agents: [" + b"a," * 90_000 + b"]}}]",
    "tasks": lambda: b"taskflow:\n" + b"".join(b"- task: {run: ls, id: a%d}\n" % number for number in range(14_000)),
    "tasks that read": lambda: b"taskflow:\n"
    + b"".join(b"- task: {user_prompt: '{{ outputs.a%d }}', id: a%d}\n" % (n, n) for n in range(1_000)),
    "templates": lambda: b"taskflow:\n"
    + b"".join(b"- task: {user_prompt: '" + b"{{a%d}}" % n * 20_000 + b"'}\n" for n in range(90)),
    "conditions": lambda: b"taskflow:\n- task: {run: ls, if: &a '"
    + b"a<" * 30_000
    + b"a'}\n"
    + b"- task: {run: ls, if: *a}\n" * 900,
    "schemas": lambda: b"taskflow:\n- task: {run: ls, outputs: {properties: {"
    + b",".join(b"a%d: {type: string}" % number for number in range(30_000))
    + b"}}}",
    "billion laughs": _bomb,
    "quadratic": lambda: b"a: &a [" + b"x," * 1000 + b"]\nb: [" + b"*a," * 1000 + b"]",
    "merge": lambda: b"a0: &a0 {x: 1}\n"
    + b"\n".join(b"a%d: &a%d {<<: [*a%d, *a%d]}" % (n + 1, n + 1, n, n) for n in range(40)),
    "itself": lambda: b"a: &a {<<: *a, b: *a}",
    "deep": lambda: b"[" * 100_000,
    "deep maps": lambda: b"{a: " * 100_000,
    "deep blocks": lambda: b"- " * 100_000,
    "deep aliases": lambda: b"a0: &a0 [x]\n" + b"\n".join(b"a%d: &a%d [*a%d]" % (n + 1, n + 1, n) for n in range(3000)),
    "digits": lambda: TASKFLOW + b"globals: {a: " + b"9" * 10**6 + b"}",
    "hexadecimal": lambda: TASKFLOW + b"globals: {a: 0x" + b"f" * 10**6 + b"}",
    "sexagesimal": lambda: TASKFLOW + b"globals: {a: " + b":".join([b"59"] * 10**6) + b"}",
    "a number that is none": lambda: TASKFLOW + b"globals: {a: !!int ''}",
    "a boolean that is none": lambda: TASKFLOW + b"globals: {a: !!bool x}",
    "a date that is none": lambda: TASKFLOW + b"globals: {a: !!timestamp x}",
    "a map that is none": lambda: TASKFLOW + b"globals: !!map [1]",
    "a set": lambda: b"!!set {a, b}",
    "a number of maps": lambda: b"!!int {=: 3}",
    "control characters": lambda: b'"a\\nb\\e[31m": 1\n' + TASKFLOW,
    "a long tag": lambda: b"a: !" + b"a" * 10**7 + b" 1",
    "a long key": lambda: b"? " + b"a" * 10**7 + b"\n: 1\n" + TASKFLOW,
    "NUL": lambda: b"a: \0",
    "UTF-16": lambda: "a: 1".encode("utf-16"),
    "not UTF-8": lambda: b"a: \xff",
    "half a character": lambda: b'a: "\\ud800"',
}  # fmt: skip


# These go through the command line.
TOLD = ("a text of 15 MB", "wrong items", "one name", "templates", "control characters")


@pytest.mark.parametrize("name", NASTY if FULL else [name for name in NASTY if name not in TOLD])
def test_files_that_mean_harm(child: Child, name: str) -> None:
    TRIED["documents"] += 1
    child("nasty", name)


# In a process of its own: a program's peak counts from the memory of the process that started it.
MEASURE = """
import pathlib, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
pathlib.Path(sys.argv[1]).write_text(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss / 1024}")
sys.exit(code)
"""


def command_line(folder: Path, *words: str | bytes) -> Any:
    """What `starter.py lint --json` says, within the limits."""
    TRIED["command lines"] += 1
    used = folder / "used"
    starter = [sys.executable, str(ROOT / "starter.py"), "lint", "--json", *words]
    command = [sys.executable, "-c", MEASURE, used, *starter]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    seconds, megabytes = map(float, used.read_text().split())
    note(seconds, megabytes)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 2), done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NASTY if FULL else TOLD)
def test_the_command_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.yaml").write_bytes(NASTY[name]())
    said = command_line(tmp_path, "a.yaml")
    assert said["status"] in ("ok", "bad_input")
    shutil.rmtree(tmp_path)


WORDINGS: list[list[str | bytes]] = [
    ["a.yaml", "-g", b"a=\xff", "--path", b"\xff", "-m", b"\xff"],
    ["a.yaml", "-g", "a=" + "x" * 100_000, "--path", "/dev/null", "-m", "x" * 300],
    [
        b"\xff.yaml",
        "a\nb.yaml",
        "/dev/zero",
        "pipe.yaml",
        "x" * 300,
        "./" + "x" * 5000 + ".yaml",
        "",
        "..",
        "/proc/self/pagemap",
    ],
]


@pytest.mark.parametrize("words", WORDINGS, ids=["bytes", "long", "files"])
def test_words_of_the_command_line(tmp_path: Path, words: list[str | bytes]) -> None:
    (tmp_path / "a.yaml").write_bytes(TASKFLOW)
    os.mkfifo(tmp_path / "pipe.yaml")
    assert command_line(tmp_path, *words)["exit_code"] == 2 or words is WORDINGS[1]


def test_files_that_use_one_another(child: Child) -> None:
    """A long chain of `uses`, a wide one, and a long one of includes."""
    chain = {f"a{n}.yaml": flow(f"{{uses: ./a{n + 1}.yaml}}")["a.yaml"] for n in range(400)}
    child("look", chain, "a0.yaml", {})
    many = b"taskflow:\n" + b"- task: {uses: ./b%d.yaml}\n" * 50
    wide = {f"b{n}.yaml": many.replace(b"%d", b"%d" % (n + 1)) for n in range(9)}
    child("look", wide, "b0.yaml", {})
    included = {f"p{n}.yaml": f"prompt: \"{{% include 'p{n + 1}' %}}\"".encode() for n in range(600)}
    child("look", {**included, **flow("{user_prompt: \"{% include 'p0' %}\"}")}, "a.yaml", {})


if __name__ == "__main__":
    serve()
