"""The results that are carried over, and how they stood before a task."""

from hypothesis import given
from hypothesis import strategies as st

from grammar.documents.values import ToolResult
from workflows.records.carry_over import CarryOver

CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=8)


@given(CHANGES)
def test_as_a_list_would_be(changes: list[tuple[bool, int]]) -> None:
    carry_over, plain, number = CarryOver(), list[ToolResult](), 0
    for task, (takes, pushes) in enumerate(changes):
        if takes and plain:
            carry_over.take(task)
            plain.pop()
        for _ in range(pushes):
            number += 1
            result = ToolResult(tool_name=str(number))
            carry_over.push(task, [result])
            plain.append(result)
        assert carry_over.top == (plain[-1] if plain else None)
    assert CarryOver(carry_over.changes).top == carry_over.top
    first = ToolResult(tool_name=str(changes[0][1])) if changes and changes[0][1] else None
    assert CarryOver(carry_over.before(1)).top == first
