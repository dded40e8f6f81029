"""The report: what a record says, in order, in one file that asks nobody, and that no text of a peer can steer."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from conftest import find, needs
from views.samples import HOSTILE, everything

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.finding import Finding, Proof, Severity, StepVerdict, Verdict
from wsbook.record import Record
from wsbook.report import read_story, verdict_sentence, write_report
from wsbook.report.notebooks import outputs_by_step, table_html
from wsbook.report.remedy import remedy_parts
from wsbook.report.ticket import escaped, fenced
from wsbook.steps import STEPS
from wsbook.target import parse_target
from wsbook.views import charts, show, tables

REMEDY = "Pass both headers on, in nginx:\n+ proxy_set_header Upgrade $http_upgrade;\n- proxy_http_version 1.0;\nThen reload."


def finding(**fields: Any) -> Finding:
    values: dict[str, Any] = {
        "cause": "proxy.upgrade-header-missing",
        "step": "2.2",
        "verdict": Verdict.FAULT,
        "severity": Severity.ERROR,
        "confidence": 0.97,
        "summary": f"nginx passes /ws on without Upgrade {HOSTILE}",
        "root": True,
        "evidence": tuple(Proof(text=f"proof {i} {HOSTILE}", where="nginx.conf:14") for i in range(6)),
        "remedy": REMEDY,
        "check": "wsbook run ws://shop.example/ws --steps 2.2",
    }
    return Finding(**{**values, **fields})


def output(bundle: Any, step: str, view: str) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": json.loads(json.dumps(dict(bundle))),
        "metadata": {"wsbook": {"step": step, "view": view}},
    }


def notebook(text: str) -> dict[str, Any]:
    seen = everything(text)
    picture = charts.plot_stages(seen)
    assert picture is not None
    outputs = [
        output(show.bundle_picture(picture), "1.3", "plot"),
        output(show.bundle_table(tables.table_attempts(seen), ""), "1.3", "table attempts"),
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": f"<p>raw{HOSTILE}</p>", "text/plain": text}},
        {"output_type": "stream", "name": "stdout", "text": text},
        {"output_type": "error", "ename": "E", "evalue": text, "traceback": [text]},
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": f"# A question\n\n{text}"},
        {"cell_type": "code", "metadata": {}, "source": text, "outputs": outputs},
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A record in which every text that a peer can choose is hostile."""
    record = Record.create(
        tmp_path / "record", parse_target("ws://shop.example/ws", symptom=HOSTILE), command="wsbook run ws://shop.example/ws"
    )
    for seen in everything():
        record.add(seen)
    consequence = finding(
        cause="handshake.invalid-exchange", step="1.3", root=False, explained_by=("proxy.upgrade-header-missing",), remedy=""
    )
    verdicts = [StepVerdict(step=step, title=STEPS[step].title, verdict=Verdict.CLEAR, summary=HOSTILE) for step in STEPS]
    content = {
        "schema": "wsbook.findings/1",
        "target": {},
        "root_causes": ["proxy.upgrade-header-missing"],
        "steps": {one.step: {"title": one.title, "verdict": one.verdict.value, "summary": one.summary} for one in verdicts},
        "findings": [finding(), consequence],
    }
    record.write_json("findings.json", content)
    (record.folder / "01_initial_diagnosis.ipynb").write_text(json.dumps(notebook(HOSTILE)))
    return record.folder


def test_sections_stand_in_their_order(folder: Path) -> None:
    page = write_report(folder).read_text()
    heads = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert heads == [
        "Root cause",
        "The steps",
        "Everything in order of time",
        "What was not looked at",
        "How it was made",
        "The executed notebooks",
    ]
    assert [page.index(f'id="step-{step}"') for step in STEPS] == sorted(page.index(f'id="step-{step}"') for step in STEPS)
    assert page.index('class="chain"') < page.index("<h2")


def test_the_page_is_one_file_below_the_limit_without_an_address_to_ask(folder: Path) -> None:
    page = write_report(folder).read_text()
    assert len(page) < 8_000_000
    assert "default-src 'none'" in page
    assert not re.findall(
        r"<(?:link|iframe|object|embed|base)\b|\bsrc=\"(?!data:)|url\((?!data:)", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    )
    assert page.count('id="plotly-gz"') == 1


def test_nothing_of_a_peer_is_markup(folder: Path) -> None:
    page = re.sub(r"<script.*?</script>", "", write_report(folder).read_text(), flags=re.DOTALL)
    assert "<img src=x" not in page
    assert "<b>$x$" not in page
    assert "\x1b" not in page
    assert "<p>raw" not in page


def test_the_card_tells_symptom_cause_proof_fix_check_and_what_it_explains(folder: Path) -> None:
    page = write_report(folder).read_text()
    card = page[page.index('class="card"') : page.index("</article>")]
    assert re.findall(r"<dt>(\w+)</dt>", card) == ["symptom", "cause", "proof", "fix", "check", "explains"]
    assert 'data-copy="proxy_set_header Upgrade $http_upgrade;"' in card
    assert "handshake.invalid-exchange" in card


@pytest.mark.parametrize(
    ("roots", "sentence"),
    [
        ([0.97], r".+ \(97% sure\)"),
        ([0.97, 0.6], r".+ \(97% sure\), and 1 more root cause"),
        ([0.97, 0.3, 0.2], r".+ \(97% sure\), and 2 candidates"),
        ([], r"no fault was found: 13 steps are clear, 0 could not be decided"),
    ],
)
def test_the_sentence_counts_root_causes(folder: Path, roots: list[float], sentence: str) -> None:
    record = Record(folder)
    content = record.read_json("findings.json")
    content["findings"] = [finding(confidence=confidence) for confidence in roots]
    record.write_json("findings.json", content)
    assert re.fullmatch(sentence, verdict_sentence(read_story(folder)))


def test_a_record_that_was_killed_early_still_has_a_report(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "r", parse_target("ws://shop.example/ws"))
    page = write_report(record.folder).read_text()
    assert "No notebook was executed." in page
    assert 'id="plotly-gz"' not in page


@pytest.mark.parametrize(("name", "text"), [("findings.json", "{"), ("findings.json", '{"steps": 3}'), ("target.toml", "x = [")])
def test_a_broken_file_is_named(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(UnreadableInputError, match=name):
        write_report(folder)


def test_a_folder_that_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"target\.toml is missing"):
        write_report(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{", '{"cells": 3}', '{"cells": [3, {"outputs": [4, {"data": 5, "metadata": {"wsbook": 6}}]}]}'])
def test_a_notebook_that_is_none_breaks_nothing(folder: Path, content: str) -> None:
    (folder / "09_other.ipynb").write_text(content)
    assert write_report(folder).exists()


@pytest.mark.parametrize(
    ("still", "words"),
    [
        ((True, True), "All 2 plots have a still picture"),
        ((True, False), "1 of 2 plots have a still picture."),
        ((False, False), "0 of 2 plots have a still picture; kaleido or a browser for it was missing."),
        ((), "They hold no plot."),
    ],
)
def test_the_report_says_which_plots_need_a_script(folder: Path, still: tuple[bool, ...], words: str) -> None:
    plots = [{"application/vnd.plotly.v1+json": {"data": []}} | ({"image/svg+xml": "<svg></svg>"} if one else {}) for one in still]
    cells = [{"cell_type": "code", "metadata": {}, "source": "", "outputs": [output(plot, "", "chain") for plot in plots]}]
    (folder / "01_initial_diagnosis.ipynb").write_text(json.dumps({"cells": cells}))
    assert words in write_report(folder).read_text()


def test_a_later_notebook_replaces_the_same_view() -> None:
    books = [{"cells": [{"outputs": [output({"text/plain": text}, "1.3", "plot")]}]} for text in ("old", "new")]
    assert [one.data["text/plain"] for one in outputs_by_step(books)["1.3"]] == ["new"]


@pytest.mark.parametrize("content", [None, 3, {}, {"columns": "ab", "rows": []}, {"columns": ["a"]}])
def test_a_table_of_another_form_is_left_out(content: Any) -> None:
    assert table_html(content) == ""


@pytest.mark.parametrize(
    ("remedy", "parts"),
    [
        ("", []),
        ("Reload.", [("words", "Reload.")]),
        (
            REMEDY,
            [
                ("words", "Pass both headers on, in nginx:"),
                ("snippet", "+ proxy_set_header Upgrade $http_upgrade;\n- proxy_http_version 1.0;"),
                ("words", "Then reload."),
            ],
        ),
        ("  a {\n    b\n  }", [("snippet", "a {\n  b\n}")]),
    ],
)
def test_a_remedy_keeps_its_order(remedy: str, parts: list[tuple[str, str]]) -> None:
    assert remedy_parts(remedy) == parts


def test_the_ticket_has_the_root_cause_with_a_diff_and_no_markup(folder: Path) -> None:
    write_report(folder)
    text = (folder / "report.md").read_text()
    assert "```diff\n+ proxy_set_header Upgrade $http_upgrade;" in text
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert "<img" not in outside
    assert "[a](" not in outside


@pytest.mark.parametrize(
    ("text", "shown"), [("a|b`c*d_e", r"a\|b\`c\*d\_e"), ("<b>", "&lt;b&gt;"), ("https://x", "https&#58;//x"), ("two\nlines", "two lines")]
)
def test_a_text_means_nothing_in_markdown(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_the_ticket_folds_everything_but_the_surest_cause(folder: Path) -> None:
    record = Record(folder)
    content = record.read_json("findings.json")
    content["findings"] = [finding(), finding(cause="client.no-reconnect", confidence=0.6)]
    record.write_json("findings.json", content)
    write_report(folder)
    first, *folded = (folder / "report.md").read_text().split("<details>")
    assert "## ✗ A hop does not pass on Upgrade and Connection" in first
    assert "client.no-reconnect" not in first
    assert [part.split("</summary>")[0].strip() for part in folded] == [
        "<summary>1 more root cause",
        "<summary>13 steps: 13 clear",
        "<summary>What was not looked at",
    ]
    assert len(first.splitlines()) < 45


def test_what_cannot_be_told_apart_is_said_in_page_and_ticket(folder: Path) -> None:
    record, told = Record(folder), "cannot be told apart"
    content, proof = record.read_json("findings.json"), (Proof(text="answered 403", observation="1.3-1"),)
    one = finding(cause="origin.not-in-allowlist", confidence=0.6, evidence=proof)
    for other, said in ((proof, True), ((Proof(text="answered 403", observation="3.1-1"),), False)):
        content["findings"] = [one, finding(cause="auth.credential-not-sent", confidence=0.5, evidence=other)]
        record.write_json("findings.json", content)
        write_report(folder)
        for name in ("report.md", "report.html"):
            assert (told in (folder / name).read_text()) is said
        assert ("- auth.credential-not-sent, 50%: " in (folder / "report.md").read_text()) is said


def test_a_fence_cannot_be_ended_from_inside() -> None:
    assert fenced("a\n````\nb").splitlines()[0] == "`````"


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox"])
        yield await browser.new_page(viewport={"width": 1000, "height": 900})
        await browser.close()


@needs("chromium")
@pytest.mark.parametrize("width", [1000, 380])
async def test_in_a_browser_plots_are_live_and_nothing_hostile_runs(folder: Path, page: Any, width: int) -> None:
    pytest.importorskip("playwright.async_api")
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(write_report(folder).as_uri() + "#step-1.3")
    await page.wait_for_selector("#step-1\\.3[open] .js-plotly-plot .main-svg", timeout=20_000)
    await page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert await page.evaluate("() => window.hit") is None
    assert await page.evaluate("() => document.querySelectorAll('img:not(.still)').length") == 0
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert [await one.text_content() for one in await page.query_selector_all("button.copy")] == ["copy"] * 2


@needs("chromium")
async def test_without_scripts_everything_is_there_but_the_live_plots(folder: Path, page: Any) -> None:
    context = await page.context.browser.new_context(java_script_enabled=False)
    plain = await context.new_page()
    await plain.goto(write_report(folder).as_uri())
    await plain.locator("#step-1\\.3 > summary").click()
    assert await plain.locator("#step-1\\.3 figcaption").inner_text() != ""
    assert await plain.locator("#step-1\\.3 table").first.is_visible()
