"""The pages in a real browser: they ask for nothing, nothing in them runs but our script, and they are quick."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from grammar.messages.activity_results import TranscriptEntry
from pictures import flow_page, run_page
from tests.pictures.test_pages import MEAN_MARKDOWN, mean_flow
from tests.support.browser import Browser
from tests.support.run_histories import PRICES, TALK, many

# Two animation frames after the load: the page has been laid out and painted.
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
SHOWN = (
    "[...document.querySelectorAll('.branch')].filter((branch) => branch.checkVisibility()).map((branch) => branch.id)"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a run of 1,000 branches that said a lot."""
    page = tmp_path_factory.mktemp("pages") / "thousand.html"
    page.write_text(run_page.html(many(1_000, TALK * 6), PRICES))
    return page


def find(browser: Browser, words: str) -> str:
    """What the page says it found."""
    found: str = browser.evaluate(f"""new Promise((done) => {{
        const box = document.querySelector("#words");
        box.value = {words!r};
        box.dispatchEvent(new Event("input"));
        new MutationObserver(() => done(document.querySelector("#found").value))
            .observe(document.querySelector("#found"), {{childList: true, characterData: true, subtree: true}});
    }})""")
    return found


def test_a_report_opens_quickly_and_asks_for_nothing(browser: Browser, thousand: Path) -> None:
    browser.open(thousand)
    milliseconds = browser.evaluate(PAINTED)
    assert (browser.requested, browser.complaints) == ([thousand.as_uri()], [])
    assert browser.evaluate("document.querySelector('#found').value") == "1,001 of 1,001"
    assert browser.evaluate("document.querySelectorAll('.timeline rect').length") == 1_001
    assert milliseconds < 2_000


def test_branches_are_found(browser: Browser, thousand: Path) -> None:
    browser.open(thousand)
    assert browser.evaluate(SHOWN) == ["b1-1"]
    assert find(browser, "FILE_77.c") == "1 of 1,001"
    assert browser.evaluate(SHOWN) == ["b2-78"]
    assert find(browser, "no such") == "10 of 1,001"
    assert len(browser.evaluate(SHOWN)) == 10
    browser.evaluate("document.querySelector('#open').click()")
    assert browser.evaluate("document.querySelectorAll('.branch[open]:not([hidden])').length") == 10
    browser.evaluate("""{
        const status = document.querySelector("#status");
        status.value = "done";
        status.dispatchEvent(new Event("change"));
    }""")
    assert browser.evaluate(SHOWN) == []


def test_a_link_leads_to_a_branch_that_is_folded_away(browser: Browser, thousand: Path) -> None:
    browser.open(thousand)
    browser.evaluate("document.querySelector('a[href=\"#b2-970\"]').dispatchEvent(new MouseEvent('click'))")
    assert browser.evaluate("new Promise((done) => setTimeout(() => done(location.hash)))") == "#b2-970"
    browser.evaluate(PAINTED)
    assert browser.evaluate(
        "((branch) => [branch.open, branch.checkVisibility()])(document.querySelector('#b2-970'))"
    ) == [True, True]


def test_what_a_run_said_does_not_run(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "flow.html"
    page.write_text(flow_page.html(mean_flow()))
    browser.open(page)
    assert (browser.requested, browser.complaints) == ([page.as_uri()], [])
    assert browser.evaluate("document.querySelectorAll('script').length") == 1
    assert "<script>alert(1)</script>" in browser.evaluate("document.title")


def test_what_a_model_wrote_in_markdown_loads_and_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    talk = [TranscriptEntry(kind="message", who="assistant", text=f"{MEAN_MARKDOWN}\n\n**bold**")]
    page.write_text(run_page.html(many(1, talk), PRICES))
    browser.open(page, "#b2-1")
    assert (browser.requested, browser.complaints) == ([page.as_uri()], [])
    assert browser.evaluate("document.querySelector('#b2-1 .laid strong').textContent") == "bold"
    assert browser.evaluate("[...document.querySelectorAll('.laid a')].map((link) => link.protocol)") == ["https:"]
    shown = browser.evaluate("document.querySelector('#b2-1 .laid').innerText")
    assert "image: a plot (http://127.0.0.1:1/plot.png)" in shown
    assert "http://127.0.0.1:1/ref.png" in shown


def test_even_unescaped_it_would_not(browser: Browser, tmp_path: Path) -> None:
    """The policy in the page holds where escaping would be forgotten; and the test would see it."""
    harm = "<script>document.title = 'ran'</script><img src='http://127.0.0.1:1/x' onerror=\"document.title = 'ran'\">"
    text = flow_page.html(mean_flow()).replace("</main>", f"{harm}</main>")
    guarded, bare = tmp_path / "guarded.html", tmp_path / "bare.html"
    guarded.write_text(text)
    bare.write_text(text.replace("Content-Security-Policy", "x-nothing"))
    browser.open(guarded)
    assert browser.evaluate("document.title") != "ran"
    assert browser.requested == [guarded.as_uri()]
    assert len(browser.complaints) >= 2
    browser.open(bare)
    assert browser.evaluate("document.title") == "ran"
    assert "http://127.0.0.1:1/x" in browser.requested
