"""What a model says must not steer the terminal."""

import pytest

from console.printable import first_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – naïve 漢字 🙂", "plain – naïve 漢字 🙂"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy"),
        ("a\x1b[2J\x1b[Hb", "ab"),
        ("a\x9b31mb", "a31mb"),
        ("one\r\ntwo\rthree", "one\ntwothree"),
        ("a\tb", "a   b"),
        ("\x00\x07\x08\x7f", ""),
        ("rm \u202efdp.exe", "rm fdp.exe"),
        ("\x1b", ""),
        ("\x1b]0;what follows is seen", "]0;what follows is seen"),
    ],
)
def test_control_codes_go(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_first_line_that_says_something() -> None:
    assert first_line("\n \n  two\nthree") == "two"
    assert first_line("x" * 300) == "x" * 199 + "…"
    assert first_line("") == ""
