"""A person takes a load run away as a file, opens it elsewhere, and reads and prints its report."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from servescope.locust_load.coordinator import Coordinator
from servescope.locust_load.worker import WorkerLoad
from servescope.records.load import LoadPlan, RunState
from servescope.settings import load_settings
from tests.browser.conftest import DESKTOP, PHONE, WITHOUT_GRAPHS
from tests.measured_runs import exported, measure
from tests.processes import Dashboards, eventually

pytestmark = [pytest.mark.process, pytest.mark.browser]

FIGURES = "#load-now .figures"
FORMS = ("Report", "CSV")
BAD_REQUEST = "Failed to load resource: the server responded with a status of 400 (BAD REQUEST)"
"""A browser tells its console of every answer that is no success."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A second dashboard, which has measured nothing."""
    dashboards = Dashboards(tmp_path_factory.mktemp("elsewhere"))
    yield dashboards()
    dashboards.end()


@pytest.fixture(scope="module")
def run(dashboard):
    """A run of the first dashboard that is over, and whose seconds are in its store."""
    with closing(dashboard.control) as control:
        control.load_runs.request(LoadPlan.constant("wsgi", "/whoami", 100, 2), 0.0)
        eventually(lambda: control.load_runs.newest(1)[0].state is RunState.DONE)
        return control.load_runs.newest(1)[0]


@pytest.fixture(scope="module")
def kept_there(chromium, elsewhere, left_pages):
    """A page of the second dashboard that stays from test to test."""
    with left_pages.lent(chromium, elsewhere.url) as watched:
        yield watched.open("/learn")


@pytest.fixture
def there(kept_there):
    """The page Load of the second dashboard, made anew; the console must stay silent."""
    yield kept_there.follow("Load")
    kept_there.follow(WITHOUT_GRAPHS)
    assert kept_there.complaints == []


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A file with the report of a run."""
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    path.write_bytes(exported(folder, measure(folder), "html"))
    return path


def take_away(opened, item, folder):
    """Export the run that is shown; the file."""
    opened.page.locator("#load-now").get_by_role("button", name="Export run").click()
    with opened.page.expect_download() as waited:
        opened.page.get_by_role("menuitem", name=re.compile(item)).click()
    path = folder / waited.value.suggested_filename
    waited.value.save_as(path)
    return path


def open_file(opened, path):
    """Choose a file behind the button; the answer beside it."""
    button = opened.page.get_by_role("button", name="Open a run file")
    with opened.page.expect_file_chooser() as waited:
        button.press("Enter")
    waited.value.set_files(path)
    opened.until(
        "!['', undefined].includes(document.getElementById('run-file-answer')?.innerText)"
        " && !document.getElementById('run-file-answer').innerText.startsWith('Opening')"
    )
    return opened.page.locator("#run-file-answer").inner_text()


def shown(opened):
    opened.page.locator(FIGURES).first.wait_for()
    return opened.page.locator(FIGURES).all_inner_texts()


def test_a_run_opened_elsewhere_has_the_same_figures_and_report(
    visit, run, there, elsewhere, tmp_path
):
    here = visit("Load")
    here.page.locator("#load-now").get_by_text(f"Run {run.id}:").wait_for()
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    ours = {form: take_away(here, form, tmp_path / "here") for form in ("Run file", *FORMS)}
    figures = shown(here)
    here.follow(WITHOUT_GRAPHS)
    file = ours["Run file"]
    told = open_file(there, file)
    host = re.fullmatch(rf"Opened run {run.id} of (\S+): it is load run 1 here\.", told)[1]
    there.page.locator("#load-now").get_by_text("asked for there").wait_for()
    assert host in there.page.locator("#load-now").inner_text()
    assert shown(there) == figures
    there.page.locator("#load-history").scroll_into_view_if_needed()
    there.page.locator("#load-history").get_by_text(f"(at {host})").first.wait_for()
    with closing(elsewhere.control) as control:
        assert control.load_runs.by_id(1).result == run.result
    for form in FORMS:
        theirs = take_away(there, form, tmp_path / "there")
        assert theirs.read_bytes() == ours[form].read_bytes()
    again = open_file(there, file)
    assert again == f"Run {run.id} of {host} is here already, as load run 1."
    there.complaints.remove(BAD_REQUEST)
    of_run = there.go("/runs/1", "Run 1").wait_drawn("one-run-rates")
    of_run.page.get_by_text("Its lines over time are those of its file").wait_for()
    of_run.wait_drawn("one-run-cpu")
    of_run.page.get_by_role("button", name="Export", exact=True).click()
    with of_run.page.expect_download() as waited:
        of_run.page.get_by_role("menuitem", name="CSV", exact=True).click()
    assert waited.value.suggested_filename.startswith(f"servescope_{host}_run-{run.id}_")


def test_a_run_that_locust_sent_is_marked_as_such(there, dashboard, tmp_path):
    origin = f"http://127.0.0.1:{dashboard.port('wsgi')}"
    scenario = tmp_path / "scenario.toml"
    scenario.write_text('[schedule]\nkind = "constant"\nrate = 20\nseconds = 1\n')
    master = Coordinator(scenario, tmp_path / "run.servescope", load_settings(), "2.47.0")
    order = master.order(origin, ["a"])
    worker = WorkerLoad(order, order.share_of("a"), lambda _: None, master.take)
    worker.begin(1)
    worker.be_user()
    file, _ = master.write()

    told = open_file(there, file)
    number = re.fullmatch(r"Opened a run of \S+: it is load run (\d+) here\.", told)[1]
    there.go(f"/runs/{number}", f"Run {number}")
    there.page.get_by_text("This run was sent by Locust 2.47.0, 1 worker.").wait_for()
    there.page.get_by_text("It has no series: ").wait_for()
    there.go("/runs?q=locust", "Runs")
    there.page.get_by_text("by Locust 2.47.0, 1 worker").wait_for()


def test_what_is_no_run_file_is_refused_beside_the_button(there, tmp_path):
    path = tmp_path / "none.servescope"
    path.write_bytes(b"no archive")
    told = open_file(there, path)
    there.complaints.remove(BAD_REQUEST)
    assert told == "This is no run file: it is not a zip archive, or was cut off."
    assert "refused" in there.page.locator("#run-file-answer").get_attribute("class")
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    assert open_file(there, path) == (
        "The file none.servescope has more than 16 MiB, the most of a run file."
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("surroundings", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_report_opens_without_a_network(chromium, report, surroundings, scheme):
    context = chromium.new_context(offline=True, color_scheme=scheme, **surroundings)
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(report.as_uri())
    assert (asked, complaints) == ([report.as_uri()], [])
    width, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= window
    lightness = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    )
    assert (lightness < 128) == (scheme == "dark")
    heights = page.evaluate(
        "[...document.querySelectorAll('svg.plot')].map(one => one.getBoundingClientRect().height)"
    )
    assert len(heights) == 7
    assert min(heights) > 100
    context.close()


def test_a_report_prints_on_white_paper(chromium, report, tmp_path):
    context = chromium.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    page.goto(report.as_uri())
    printed = Path(tmp_path / "report.pdf")
    page.pdf(path=printed, format="A4")
    assert printed.read_bytes()[:5] == b"%PDF-"
    pages = printed.read_bytes().count(b"/Type /Page\n")
    assert 2 <= pages <= 6
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    context.close()
