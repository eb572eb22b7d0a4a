"""Drawings and reports from the terminal, of real flows and runs."""

import re
from html import unescape

from tests.e2e.conftest import SECRET, Desk, ServedDesk, end
from tests.support.scripted_endpoint import Call, Match, Reply
from tests.support.waiting import until

FLOW = """
taskflow:
  - task: {name: list, id: letters, run: "echo '[\\"a\\", \\"b\\", \\"c\\"]'"}
  - task:
      name: ask each
      id: answers
      must_complete: true
      over: outputs.letters
      async: true
      agents: [./brief.yaml]
      toolboxes: [taskflows.toolboxes.echo]
      env: {WHO: "{{ env('SECRET') }}"}
      user_prompt: "Say {{ result }} to {{ env('SECRET') }}."
  - task: {name: after, run: "echo '{{ no template }}'"}
"""
HARM = "<script>alert('b')</script>"
RULES = [
    Reply(when=Match(prompt="Say c"), status=400, message=f"no such letter {HARM}"),
    Reply(when=Match(turn=0), tool_calls=[Call(name="echo_tool", arguments={"message": HARM})]),
    Reply(text=f"I said it. {HARM}"),
]
PRICES = "prices: {gpt-4.1: {input: 1000, output: 0}}\n"


def words(page: str) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<(script|style)>.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_a_report_of_a_parked_run(served: ServedDesk) -> None:
    served.write("flow.yaml", FLOW)
    served.write("prices.yaml", PRICES)
    endpoint = served.answer(RULES)
    ended = served.run("flow.yaml", "--id", "night/1")
    assert ended.code == 1, ended.err
    ended = served.run("report", "night/1", "-m", "prices.yaml", "--json")
    assert ended.code == 0, ended.err
    assert ended.json == {"run_id": "night/1", "status": "parked", "page": "night-1.html"}
    page = (served.folder / "night-1.html").read_text()
    text = words(page)
    assert "Parked: ask each failed." in text
    assert f"ask each, item 3 of 3 400 no such letter {HARM}" in text
    assert re.search(r"item 1 of 3 a \d\.\d s · [\d,]+ tokens · \$[\d.]+ done · model gpt-4.1 · 2 requests", text)
    assert "asked Say a to ⟦SECRET⟧." in text
    assert f'brief calls echo_tool({{"message": "{HARM}"}}) the tool gives' in text
    assert f"brief I said it. {HARM}" in text
    assert 'script echo \'["a", "b", "c"]\' stdout' in text
    assert HARM not in page
    assert SECRET not in page
    assert "key-of-the-tests" not in page
    endpoint.rules = [Reply(text="done")]
    assert served.run("retry", "night/1").code == 0
    ended = served.run("report", "night/1", "--html", "ended.html")
    assert (ended.code, ended.out) == (0, "wrote ended.html\n"), ended.err
    text = words((served.folder / "ended.html").read_text())
    assert "completed" in text
    assert "2 legs · task-2-item-3, task-2-item-3-leg-2" in text
    assert "cost – no prices" in text
    assert "What failed" not in text


def test_a_report_of_a_run_that_is_open(served: ServedDesk) -> None:
    served.write("held.yaml", 'taskflow:\n  - task: {run: "touch held; while [ ! -e go ]; do sleep 0.05; done"}\n')
    starter = served.start("held.yaml", "--id", "held")
    until(lambda: (served.folder / "held").exists())
    assert served.run("report", "held").code == 0
    text = words((served.folder / "held.html").read_text())
    assert "held running" in text
    assert "open for" in text
    (served.folder / "go").touch()
    assert end(starter).code == 0


def test_a_drawing(desk: Desk) -> None:
    desk.write("flow.yaml", FLOW)
    ended = desk.run("graph", "flow.yaml")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("flowchart TB\n")
    assert 't1 -->|"outputs.letters"| t2' in ended.out
    ended = desk.run("graph", "flow.yaml", "--html", "flow.html", "--json")
    assert [one["name"] for one in ended.json["tasks"]] == ["list", "ask each", "after"]
    assert "for each of outputs.letters, 5 at a time" in words((desk.folder / "flow.html").read_text())


def test_words_that_do_not_fit(desk: Desk) -> None:
    desk.write("flow.yaml", FLOW)
    cases = {
        ("graph", "gone.yaml"): "gone.yaml: no such file",
        ("graph", "flow.yaml", "--html", "no/x.html"): "--html: no/x.html cannot be written",
        ("report", "x"): "there is no run x",
    }
    for arguments, says in cases.items():
        ended = desk.run(*arguments)
        assert (ended.code, says in ended.err) == (2, True), ended.err
