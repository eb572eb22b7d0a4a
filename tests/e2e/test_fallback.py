"""A run whose first model fails, from the terminal: what is asked, and what is told."""

import json

from tests.e2e.conftest import ServedDesk
from tests.support.scripted_endpoint import Match, Reply

CONFIG = """
models: {strong: big-model, weak: small-model}
model_settings: {strong: {fallback: [weak]}}
prices: {strong: {input: 1000, output: 1000}, weak: {input: 1, output: 1}}
"""
FLOW = """
model_config: ./models.yaml
taskflow:
  - task: {id: numbers, run: "echo '%s'"}
  - task:
      id: answers
      repeat_prompt: true
      async: true
      async_limit: 5
      agents: [./brief.yaml]
      model: strong
      capture: response
      user_prompt: "number {{ result }}"
"""


def test_a_run_whose_first_model_has_no_quota(served: ServedDesk) -> None:
    """50 items: the first model is asked once by each of the five that find out, and the run is done by the other."""
    served.write("models.yaml", CONFIG)
    flow = served.write("flow.yaml", FLOW % json.dumps(list(range(50))))
    no_quota = Reply(when=Match(model="big-model"), status=429, code="insufficient_quota", message="no money left")
    endpoint = served.answer([no_quota, Reply(text="$PROMPT")])
    ended = served.run(str(flow), "--id", served.run_id)
    assert ended.code == 0, ended.err
    asked = [request.body["model"] for request in endpoint.requests]
    assert (asked.count("small-model"), asked.count("big-model") <= 6) == (50, True)
    assert "QuotaExhausted" in ended.err
    assert "weak goes on" in ended.err
    assert "weak went on in place of strong: 429 no money left" in ended.out
    manifest = served.run("manifest", served.run_id, "--json").json
    branches = [branch for branch in manifest["branches"] if branch["task"] != "task-1"]
    assert [branch["model"] for branch in branches] == ["small-model"] * 50
    assert {branch["asked"][-1]["named"] for branch in branches} == {"weak"}
    cost = 50 * (10 + 5) / 1_000_000
    assert f"${cost:.2g}" in ended.err + ended.out
    assert served.run("report", served.run_id, "--html", "page.html").code == 0
    page = (served.folder / "page.html").read_text()
    assert "weak (small-model)" in page
    assert "strong (big-model)" not in page  # it cost nothing
    assert "weak answers from here on" in page
