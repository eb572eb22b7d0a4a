"""The stack of results, and how it stood before a task."""

from hypothesis import given
from hypothesis import strategies as st

from grammar.documents.values import ToolResult
from workflows.carry_over import CarryOver

MOVES = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=8)


@given(MOVES)
def test_as_a_list_would_be(moves: list[tuple[bool, int]]) -> None:
    stack, plain, number = CarryOver(), list[ToolResult](), 0
    for task, (takes, pushes) in enumerate(moves):
        if takes and plain:
            stack.take(task)
            plain.pop()
        for _ in range(pushes):
            number += 1
            one = ToolResult(tool_name=str(number))
            stack.push(task, [one])
            plain.append(one)
        assert stack.top == (plain[-1] if plain else None)
    assert CarryOver(stack.moves).top == stack.top
    assert CarryOver(stack.before(1)).top == (ToolResult(tool_name=str(moves[0][1])) if moves and moves[0][1] else None)
