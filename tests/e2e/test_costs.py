"""What a run costs, wherever it is told: by hand, and by each view."""

import re

import pytest

from tests.e2e.conftest import ServedDesk
from tests.e2e.terminal import terminal
from tests.e2e.test_pictures import words
from tests.support.scripted_endpoint import Reply

MODELS = """
models: {talk: gpt-x, respond: gpt-y, write: claude-z}
model_settings:
  respond: {api_type: responses}
  write: {api_type: messages}
prices:
  talk: {input: 2, cached: 1, output: 8}
  write: {input: 4, cached: 2, output: 16}
  gpt-y: {input: 4, cached: 1, output: 16, reasoning: 20, estimated: true}
"""
FLOW = """
model_config: ./models.yaml
taskflow:
  - task: {name: chat, model: talk, agents: [./brief.yaml], user_prompt: hi, capture: response}
  - task: {name: responses, model: respond, agents: [./brief.yaml], user_prompt: hi, capture: response}
  - task: {name: messages, model: write, agents: [./brief.yaml], user_prompt: hi, capture: response}
  - task: {name: held, run: "while [ ! -e go ]; do sleep 0.05; done"}
"""
# 900 of 1,000 tokens come from the cache, 150 of 200 are thoughts.
COUNTED = Reply(usage=(1_000, 200), cached=900, reasoning=150)
# Per million: 100 * 2 + 900 * 1 + 200 * 8; 100 * 4 + 900 * 1 + 50 * 16 + 150 * 20; 100 * 4 + 900 * 2 + 200 * 16.
CHAT, RESPONSES, MESSAGES = 0.0027, 0.0051, 0.0054
USED = "3,000 tokens in (2,700 cached), 600 out (450 reasoning)"


def test_cached_tokens_cost_the_same_wherever_it_is_told(served: ServedDesk) -> None:
    served.write("models.yaml", MODELS)
    served.write("flow.yaml", FLOW)
    served.answer([COUNTED])
    with terminal(served, "flow.yaml", "--id", served.run_id, width=120) as screen:
        screen.shows(f"{USED} · $0.013 estimated")  # the live view, while the last task is held
        served.write("go", "")
        ended = screen.ended()
    assert ended.code == 0, ended.out
    assert f"3 model requests, {USED}, $0.013 estimated" in ended.out.rpartition("completed in")[2]
    status = served.run("status", served.run_id, "--json")
    assert f"completed, 3 model requests, {USED}, $0.013 estimated" in " ".join(status.err.split())
    assert status.json["cost"] == {"usd": 0.0132, "estimated": True, "unpriced": []}
    costs = [(task["name"], task["cost"]["usd"], task["cost"]["estimated"]) for task in status.json["tasks"]]
    assert costs == [
        ("chat", CHAT, False),
        ("responses", RESPONSES, True),
        ("messages", MESSAGES, False),
        ("held", 0, False),
    ]
    told = [(used["named"], used["model"], used["usage"]["cached_tokens"]) for used in status.json["usage_by_model"]]
    assert told == [("talk", "gpt-x", 900), ("respond", "gpt-y", 900), ("write", "claude-z", 900)]
    manifest = served.run("manifest", served.run_id, "--json")
    assert [branch["cost"]["usd"] for branch in manifest.json["branches"]] == [CHAT, RESPONSES, MESSAGES, 0]
    assert re.search(r"gpt-y .* 1,000 +900 +200 +150 +\$0\.0051 estimated", manifest.err)
    assert served.run("report", served.run_id, "--html", "it.html").code == 0
    page = words((served.folder / "it.html").read_text())
    assert "tokens in 3,000 2,700 cached tokens out 600 450 reasoning cost $0.013 estimated" in page
    assert "talk (gpt-x) 1 1 1,000 900 200 150 $0.0027" in page
    assert "respond (gpt-y) 1 1 1,000 900 200 150 $0.0051 estimated" in page
    assert "write (claude-z) 1 1 1,000 900 200 150 $0.0054" in page


PLANNED = """
model_config: ./models.yaml
taskflow:
  - task: {name: list, id: letters, run: "echo '[1, 2, 3]'"}
  - task: {name: each, over: outputs.letters, model: talk, agents: [./brief.yaml], user_prompt: "{{ result }}"}
"""
# What would keep a dry run busy: an estimate waits for nothing.
HINDERING = "rules: [{when: {task: each}, error: {status: 429, retry_after: 600}}]\n"


def test_an_estimate_before_any_run_and_after_one(served: ServedDesk) -> None:
    served.write("models.yaml", MODELS)
    served.write(f"{served.run_id}.yaml", PLANNED)
    served.write(f"{served.run_id}.dry.yaml", HINDERING)
    endpoint = served.answer([COUNTED])
    before = served.run("estimate", f"{served.run_id}.yaml", "--json")
    assert (before.code, before.json["earlier_run"], endpoint.requests) == (0, None, []), before.err
    told = [(task["name"], task["branches"], task["made_up"], task["basis"]) for task in before.json["tasks"]]
    assert told == [("list", 1, False, "script"), ("each", 2, True, "assumed")]
    assert before.json["low"]["cost"]["usd"] > 0
    assert served.run(f"{served.run_id}.yaml", "--id", served.run_id).code == 0
    endpoint.restart([])
    after = served.run("estimate", f"{served.run_id}.yaml", "--json")
    assert (after.code, after.json["earlier_run"], endpoint.requests) == (0, served.run_id, []), after.err
    assert after.json["low"] == after.json["high"] == after.json["tasks"][1]["low"]
    assert after.json["low"]["usage"]["cached_tokens"] == 3 * 900
    assert after.json["low"]["cost"] == {"usd": pytest.approx(3 * CHAT), "estimated": False, "unpriced": []}
    words_told = " ".join(after.err.split())
    assert re.search(r"each 3 \d+ 3 3,000 600 \$0\.0081", words_told)
    assert f"{served.run_id}.yaml: 3 model requests, $0.0081" in words_told
    assert f"branches as those of run {served.run_id}" in words_told
