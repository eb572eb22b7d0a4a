"""What is no YAML, told with the line, a caret, and what may be meant."""

from pathlib import Path

import pytest

from grammar.errors import InvalidFlow
from grammar.loading.yaml_reader import read_map
from grammar.problems import Problem

FIELD = "a field is written as `name: value`; its `:` is missing"
DASH = "write `- ` before it, as before the others of this list"
QUOTES = "must be in quotes"
TOP = "taskflow:\n  - task:\n"


def fault(tmp_path: Path, text: str) -> Problem:
    file = tmp_path / "flow.yaml"
    file.write_text(text)
    with pytest.raises(InvalidFlow) as caught:
        read_map(file, "flow.yaml")
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("taskflow:\n\t- task:\n", 2, "a tab: indent with spaces"),
        (TOP + "      run: ls\n\t  name: x\n", 4, "a tab: indent with spaces"),
        (TOP + "      name: a: b\n", 3, 'a text with ": " in it must be in quotes, or below the field, after `|`'),
        (TOP + "      run: ls\n     name: x\n", 4, "it is not indented like the lines above it that it belongs to"),
        (TOP + "      run: ls\n\n       name: x\n", 5,
         "further in than the field before it, which has a value already: indent both alike"),
        (TOP + "      run ls\n      name: x\n", 3, FIELD),
        (TOP + "      name: x\n      run ls\n", 4, FIELD),
        ("taskflow:\n  - task\n      run: ls\n", 2, FIELD),
        (TOP + "      name: x\n      run:ls\n", 4, "after the `:` of a field comes a space"),
        (TOP + "      run: ls\n  task:\n      run: ls\n", 4, DASH),
        ("agents:\n  - a\n  b\n", 3, DASH),
        ("agents:\n  - a\n - b\n", 3, "it is not indented like the lines above it that it belongs to"),
        (TOP + "      user_prompt: |\n      hi there\n      name: x\n", 4,
         "the text of the field before must be further in than the field"),
        ("a: 'x\nb: y\n", 1, "the quote that opens here is not closed"),
        ('a: "x" y\n', 1, "the text goes on after its closing quote: put quotes around all of it, or write it below, "
         "after `|`"),
        ("a: @x\n", 1, f"a text that begins with `@` {QUOTES}"),
        ("a: *x\n", 1, f"a text that begins with `*` {QUOTES}"),
        ("a: {{ globals.x }}\n", 1, f"a text that begins with `{{{{` {QUOTES}"),
        ("a: {{ globals.x }} more\n", 1, f"a text that begins with `{{{{` {QUOTES}"),
        ("a: {% if x %}\n", 1, f"a text that begins with `{{%` {QUOTES}, or below the field, after `|`"),
        ("a: [x, y\nb: z\n", 2, "the `[` of line 1 is not closed before this"),
        ("a: 1\n---\nb: 2\n", 2, "a file has one document: leave out the `---`"),
        ('a: "\\d"\n', 1, "between double quotes, write \\\\ for \\; or take single quotes"),
    ],
)  # fmt: skip
def test_what_may_be_meant(tmp_path: Path, text: str, line: int, says: str) -> None:
    problem = fault(tmp_path, text)
    assert (problem.line, problem.message.startswith("not YAML: ")) == (line, True)
    assert problem.message.endswith(f"; {says}")
    assert problem.excerpt.startswith(f"  {line} | ")


def test_the_line_and_a_caret(tmp_path: Path) -> None:
    problem = fault(tmp_path, TOP + "      name: a: b\n")
    assert problem.excerpt == "  3 |       name: a: b\n    |              ^"
    assert str(problem).count("\n") == 0
    assert problem.data["excerpt"] == problem.excerpt
    tab = fault(tmp_path, "taskflow:\n\t- task:\n")
    assert tab.excerpt == "  2 | →- task:\n    | ^"


def test_of_a_long_line_a_part_is_shown(tmp_path: Path) -> None:
    problem = fault(tmp_path, f"a: {'x' * 500}: {'y' * 500}\n")
    shown, caret = problem.excerpt.splitlines()
    assert len(shown) <= 110
    assert shown[caret.index("^")] == ":"
