"""Results that a run does not carry: they are in payload storage, and all there at the end."""

import json

from tests.e2e.conftest import Desk, Scripted
from tests.support.scripted_endpoint import Reply

FLOW = """
taskflow:
  - task:
      id: long
      run: |
        python3 -c 'import json; print(json.dumps([{"n": n, "code": "x" * 1000} for n in range(450)]))'
  - task:
      name: each
      id: each
      repeat_prompt: true
      async: true
      async_limit: 20
      agents: [./brief.yaml]
      capture: response
      user_prompt: "number {{ result.n }}"
  - task:
      id: short
      over: outputs.each[:2]
      agents: [./brief.yaml]
      capture: response
      user_prompt: "{{ result.result }}!"
"""


def test_a_large_result_is_read_by_later_tasks_and_told_at_the_end(desk: Desk, scripted: Scripted) -> None:
    desk.write("flow.yaml", FLOW)
    endpoint = scripted([Reply(text="$PROMPT " + "." * 2000)])
    ended = desk.run("flow.yaml", "--id", "large", "--json", timeout=110)
    assert ended.code == 0, ended.err
    assert len(endpoint.requests) == 452
    outputs = ended.json["outputs"]
    assert "stored" not in ended.json
    assert [one["n"] for one in outputs["long"]] == list(range(450))
    assert [one["item"]["n"] for one in outputs["each"]] == list(range(450))
    assert [one["result"].split(" ")[:2] for one in outputs["each"]] == [["number", str(n)] for n in range(450)]
    assert [one["result"].split(" ")[:2] for one in outputs["short"]] == [["number", "0"], ["number", "1"]]
    documents = desk.state / "payloads" / "documents"
    assert any(
        json.loads(file.read_text())[3]["n"] == 3 for file in documents.glob("*/*") if file.stat().st_size > 400_000
    )
    assert not list((documents / "unfinished").iterdir())
