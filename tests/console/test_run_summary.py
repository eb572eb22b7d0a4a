"""The end of a run, for people."""

import io

from rich.console import Console

from console.run_summary import print_failures
from grammar.messages.reports import Failure, RunReport, TaskReport


def printed(*failures: Failure, failed: int = 0, total: int = 100, width: int = 200) -> list[str]:
    console = Console(file=io.StringIO(), width=width, soft_wrap=True)
    task = TaskReport(
        name="each",
        status="failed",
        total=total,
        failed=failed or len(failures),
        failures=list(failures),
        warnings=["w"],
    )
    print_failures(console, RunReport(name="x", bundle="", tasks=[task]))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def failure(branch: int | None, message: str = "400 no", kind: str = "BadRequest") -> Failure:
    return Failure(task="each", branch=branch, item=None if branch is None else branch + 1, type=kind, message=message)


def test_what_failed_alike_is_told_once() -> None:
    several = [failure(branch) for branch in range(0, 60, 5)]
    assert printed(failure(1, "500 \x1b[31mother\nlines"), *several) == [
        "✗ each, item 2: BadRequest: 500 other",
        "✗ each, items 1, 6, 11, 16, 21, 26, 31, 36, 41, 46 and 2 more: BadRequest: 400 no",
        "! each: w",
        "  BadRequest: see whether `model` and `model_settings` are what the endpoint takes",
    ]


def test_with_several_models_an_item_is_the_item() -> None:
    failures = [failure(3).model_copy(update={"item": 2, "model": model}) for model in ("gpt-4.1", "o3")]
    assert printed(*failures)[0] == "✗ each, item 2 on gpt-4.1, item 2 on o3: BadRequest: 400 no"
    assert printed(failure(3).model_copy(update={"item": None}))[0] == "✗ each, branch 4: BadRequest: 400 no"


def test_what_a_person_decided_about_needs_no_advice() -> None:
    task = TaskReport(name="each", status="failed", note="skipped by a person", total=1, failures=[failure(None)])
    console = Console(file=io.StringIO(), width=200, soft_wrap=True)
    print_failures(console, RunReport(name="x", bundle="", tasks=[task]))
    assert console.file.getvalue() == "✗ each: BadRequest: 400 no\n"  # type: ignore[attr-defined]


def test_of_very_many_the_rest_is_counted() -> None:
    assert printed(failure(0), failure(1), failed=1300)[1] == "  … and 1,298 more failed: `manifest` tells all"


def test_a_task_without_branches() -> None:
    assert printed(failure(None, kind="Strange"), total=1) == ["✗ each: Strange: 400 no", "! each: w"]
