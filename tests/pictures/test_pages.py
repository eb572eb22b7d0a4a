"""Pages of flows and runs: whole in themselves, nothing in them can run, and not too big."""

import re
from html.parser import HTMLParser

import pytest
from pydantic import JsonValue

from grammar.documents.models import ModelConfig
from grammar.loading.graph import Graph, Link, TaskNode
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.reports import Approval, Failure, Parked
from pictures import flow_page, mermaid, run_page
from pictures.markdown import Typesetter
from pictures.output_section import output_section
from tests.support.run_histories import PRICES, TALK, at, many

MEAN = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }} ⟦env:TOKEN:0123456789ab⟧ \udcff"
MEAN_MARKDOWN = f"""# {MEAN}

![{MEAN}](http://127.0.0.1:1/pixel.png "{MEAN}") ![x](data:image/svg+xml,<svg/onload=alert(1)>) ![x][ref]
![a plot](http://127.0.0.1:1/plot.png)
[a](javascript:alert(1)) [b](&#106;avascript:alert(1)) [c](JaVaScRiPt&colon;alert(1)) [d](data:text/html,x)
[e](//evil/x) [f](https://example.com/{MEAN}) <javascript:alert(1)> <https://example.com/"onclick="alert(1)> [g](#b1-1) [h](file:///x)

[ref]: http://127.0.0.1:1/ref.png

| a | b |
|:--|--:|
| {MEAN} | x |

```html" onclick="alert(1)
<img src=http://127.0.0.1:1/code.png>
```
"""
LOADS = {"img", "iframe", "object", "embed", "link", "base", "form", "audio", "video", "source", "image", "use"}


class ParsedPage(HTMLParser):
    """What a browser would find: the elements, and the text outside of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        self.text = "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.append(" ")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def checked(text: str) -> ParsedPage:
    """The page, once it is sure that nothing in it can run or is loaded."""
    page = ParsedPage(text)
    assert [tag for tag, _ in page.tags if tag in LOADS] == []
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "srcdoc", "style", "action")}
    links = [attributes for tag, attributes in page.tags if tag == "a"]
    inside = {link["href"] for link in links if "target" not in link}
    targets = {f"#{attributes['id']}" for _, attributes in page.tags if "id" in attributes}
    assert all(link and link.startswith("#") for link in inside)
    assert {link for link in inside if link and not link.startswith("#task-")} <= targets
    for link in links:
        if "target" in link:  # a person may follow it
            assert (link["rel"], link["target"]) == ("noopener noreferrer nofollow", "_blank")
            assert re.match("https?:|mailto:", link["href"] or "")
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "Content-Security-Policy" in {attributes.get("http-equiv") for _, attributes in page.tags}
    return page


def mean_flow() -> Graph:
    node = TaskNode(number=1, name=MEAN, kind="agent", id="a", condition=MEAN, agents=[MEAN], models=[MEAN, MEAN],
                    toolboxes=[MEAN], over=MEAN, description=MEAN, required=True)  # fmt: skip
    links = [Link(source=1, target=2, kind=kind, label=MEAN) for kind in ("output", "carry")]
    return Graph(name=MEAN, source=MEAN, tasks=[node, node.model_copy(update={"number": 2})], links=links)


def test_a_flow_that_means_harm() -> None:
    page = checked(flow_page.html(mean_flow()))
    assert "<script>alert(1)</script>" in page.text


def test_mermaid_of_a_flow_that_means_harm() -> None:
    text = mermaid.text(mean_flow())
    assert len(text.splitlines()) == 10
    for line in text.splitlines()[1:3]:
        opening, label, closing = re.fullmatch(r'    t\d(\[")(.*)("\])', line).groups()  # type: ignore[union-attr]
        assert (opening, closing) == ('["', '"]')
        assert '"' not in label
        assert set(re.findall(r"<[^>]*>", label)) == {"<b>", "</b>", "<br/>"}
    assert '"' not in re.sub(r'\|"[^"]*"\|', "", text.splitlines()[4])


def test_mermaid_of_every_construct() -> None:
    tasks = [
        TaskNode(number=1, name="list", kind="shell", id="a", required=True),
        TaskNode(number=2, name="each", kind="agent", agents=["x", "y"], models=["m"], over="outputs.a", at_once=3),
        TaskNode(number=3, name="two", kind="agent", agents=["x"], models=["m", "n"], condition="outputs.a > 1",
                 toolboxes=["echo"], at_once=2),
    ]  # fmt: skip
    links = [
        Link(source=1, target=2, kind="output", label="outputs.a"),
        Link(source=1, target=3, kind="output", label="outputs.a", certain=False),
        Link(source=2, target=3, kind="carry", label="last tool result"),
    ]
    assert (
        mermaid.text(Graph(name="f", source="f.yaml", tasks=tasks, links=links))
        == """flowchart TB
    t1[["<b>1 list</b><br/>script<br/>must complete<br/>gives outputs.a"]]
    t2["<b>2 each</b><br/>for each of outputs.a, 3 at a time<br/>agent x #8594; y, on m"]
    t3["<b>3 two</b><br/>if outputs.a #gt; 1<br/>on m, n, 2 at a time<br/>agent x<br/>tools echo"]
    t1 ==> t2
    t2 ==> t3
    t1 -->|"outputs.a"| t2
    t1 -.->|"outputs.a"| t3
    t2 -.->|"last tool result"| t3
    classDef required stroke-width:3px
    class t1 required
    classDef conditional stroke-dasharray:5 4
    class t3 conditional
"""
    )


def test_a_flow_of_a_thousand_tasks() -> None:
    tasks = [TaskNode(number=n, name=f"task {n}", kind="shell", id=f"x{n}") for n in range(1, 1001)]
    links = [Link(source=n, target=m, kind="output", label=f"outputs.x{n}") for n in range(1, 1001, 7)
             for m in range(n + 1, min(1001, n + 40), 5)]  # fmt: skip
    text = flow_page.html(Graph(name="f", source="f.yaml", tasks=tasks, links=links))
    assert "task 1000" in checked(text).text
    assert len(text) < 2_000_000


@pytest.mark.parametrize("text", [MEAN, MEAN_MARKDOWN])
def test_a_run_that_means_harm(text: str) -> None:
    history = many(2, [TranscriptEntry(kind=kind, who=MEAN, text=text) for kind in ("message", "tool_call", "handoff")])
    report = history.manifest.report
    failure = Failure(task=MEAN, type=MEAN, message=MEAN)
    report.tasks[0].name = history.manifest.branches[0].task = MEAN
    report.tasks[0].note = report.name = history.bundle.source = history.run_id = MEAN
    report.tasks[0].failures.append(failure)
    report.tasks[0].warnings.append(MEAN)
    report.outputs = {MEAN: {MEAN: MEAN}, "notes": text}
    report.failure = failure
    report.parked = Parked(task=MEAN, failure=failure, since=at(1))
    report.approvals = [Approval(id=MEAN, task=MEAN, branch=MEAN, tool=MEAN, toolbox=MEAN, arguments=MEAN, since=at(1))]
    history.history.items[1][0] = {MEAN: MEAN}
    branch = history.manifest.branches[1]
    branch.label, branch.model, branch.error, branch.status = MEAN, MEAN, MEAN, "failed"
    page = checked(run_page.html(history, ModelConfig()))
    assert page.text.count("<script>alert(1)</script>") > 20
    assert "⟦TOKEN⟧" in page.text
    assert "0123456789ab⟧" not in page.text.replace(MEAN.encode(errors="replace").decode(), "")


def test_what_a_report_says() -> None:
    text = checked(run_page.html(many(98), PRICES)).text
    words = " ".join(text.split())
    assert "branches 99 1 failed" in words
    assert "model requests 194" in words
    assert "tokens in 97,000 tokens out 9,700" in words
    assert "cost $0.054" in words
    assert "fast (gpt-x) 97 194 97,000 9,700 $0.054" in words
    assert "read each, item 97 of 98 400 no such <file>" in words
    assert 'look_up({"key": "<b>é</b>"})' in words
    assert "asked Read file_97.c" in words
    assert "script echo '[...]'" in words
    assert "done (98)" in words
    assert "failed (1)" in words


def test_what_was_mended_had_failed() -> None:
    history = many(3)
    leg = history.history.deployments[1]
    history.history.deployments[1:2] = [
        leg.model_copy(update={"failure": "BadRequest: 400 no <b>such</b> model", "output": None}),
        leg.model_copy(update={"activity": f"{leg.activity}-leg-2"}),
    ]
    words = " ".join(checked(run_page.html(history, PRICES)).text.split())
    assert "branches 4 1 failed before" in words
    assert words.count("failed before, and was run again: BadRequest: 400 no <b>such</b> model") == 1


def test_a_prompt_is_told_once() -> None:
    """A dry run says by itself what it was asked."""
    asked = [TranscriptEntry(kind="prompt", who="assistant", text="Read file_0.c"), *TALK]
    assert checked(run_page.html(many(1, asked), PRICES)).text.count("Read file_0.c") == 1


def test_without_prices_a_report_says_so() -> None:
    words = " ".join(checked(run_page.html(many(3), ModelConfig())).text.split())
    assert "cost – no prices" in words
    assert "No price is known of gpt-x" in words


@pytest.mark.parametrize("turns", [1, 60])
@pytest.mark.parametrize("text", ["x" * 2_000, '{"a": "<>&"}' * 160, "日本語\n" * 500])
def test_a_thousand_branches_stay_below_ten_megabytes(turns: int, text: str) -> None:
    said = [TranscriptEntry(kind="tool_output", who="assistant", text=text)] * 3
    page = run_page.html(many(1_000, [*TALK, *said] * turns), PRICES)
    assert len(page.encode()) < 10_000_000
    assert page.count('class="branch ') == 1_001
    assert page.count('class="group"') == 10


def test_what_is_left_out_is_told() -> None:
    talk = [TranscriptEntry(kind="message", who="a", text=f"turn {n}. " + "word " * 400) for n in range(150)]
    text = checked(run_page.html(many(400, talk), PRICES)).text
    assert "102 entries are left out here" in text
    assert "turn 0." in text
    assert "turn 149." in text
    assert "turn 75." not in text
    assert "(2,010 characters)" in text


def test_an_output_that_is_a_list_of_records_is_a_table() -> None:
    records: list[JsonValue] = [{"name": "lamp", "size": 3}, {"name": MEAN, "note": None}]
    section = output_section("things", records, 10_000)
    assert (section.columns, section.rows[0]) == (["name", "size", "note"], ["lamp", "3", ""])
    wide: JsonValue = [{str(key): key for key in range(9)}]
    others: list[JsonValue] = [[], [1], [{"a": 1}, 2], {"a": 1}, [{}], wide]
    for value in others:
        assert output_section("x", value, 10_000).rows == []
    assert output_section("x", records, 10).rows == []
    run = many(1)
    run.manifest.report.outputs = {"things": records}
    assert "lamp" in checked(run_page.html(run, PRICES)).text


def test_what_a_model_said_is_laid_out_in_outputs_too() -> None:
    """Not what a script printed."""
    said = "Some **bold** text"
    records: list[JsonValue] = [{"item": 0, "value": said}]
    laid, plain = output_section("x", said, 100, Typesetter()), output_section("x", said, 100)
    assert (laid.html, plain.html) == ("<p>Some <strong>bold</strong> text</p>\n", None)
    table, plain = output_section("x", records, 200, Typesetter()), output_section("x", records, 200)
    assert table.rows == [["0", '<div class="laid"><p>Some <strong>bold</strong> text</p>\n</div>']]
    assert plain.rows == [["0", "Some **bold** text"]]
