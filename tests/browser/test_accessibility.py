"""axe finds nothing grave where there is nothing to show, and what it does not judge is seen.

On the pages of the navigation, and in what a person opens there, `test_pages` has it look.
"""

import base64
import os
import signal

import pytest

from tests.axe import OF_COLOURS, colours_of_boxes, grave_violations
from tests.browser.conftest import DESKTOP

pytestmark = pytest.mark.browser

SCHEMES = {"light": {}, "dark": OF_COLOURS}
"""The options that axe gets in each colour scheme."""


@pytest.fixture(scope="module")
def sign_in_page(chromium, dashboard, left_pages):
    """The page to sign in, for all tests of the file: as good as any to draw something in."""
    with left_pages.lent(chromium, dashboard.url) as watched:
        yield watched.open("/sign-in")


@pytest.fixture
def sign_in(sign_in_page):
    yield sign_in_page
    assert sign_in_page.complaints == []


def choose_scheme(opened, scheme):
    """Have a page in a colour scheme, without colours on their way to it."""
    opened.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    opened.until("scheme => document.documentElement.dataset.mantineColorScheme === scheme", scheme)


def found_in_both_schemes(opened, name):
    found = []
    for scheme, options in SCHEMES.items():
        choose_scheme(opened, scheme)
        found += [f"{name}, {scheme}: {line}" for line in grave_violations(opened.page, options)]
    return found


def test_the_page_to_sign_in_has_no_grave_violation(sign_in):
    assert found_in_both_schemes(sign_in, "/sign-in") == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_bar_beside_findings_has_a_colour_of_its_state_that_is_seen(sign_in, scheme):
    choose_scheme(sign_in, scheme)
    boxes = colours_of_boxes(sign_in.page)
    assert {state: at for state, (_, at) in boxes.items() if at < 3} == {}
    assert len({colour for colour, _ in boxes.values()}) == len(boxes), boxes


INK = """async source => {
    const image = new Image();
    image.src = `data:image/png;base64,${source}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    const drawing = canvas.getContext("2d");
    drawing.drawImage(image, 0, 0);
    const { data } = drawing.getImageData(0, image.height / 2, image.width, 1);
    const widths = [];
    for (let x = 0, is_before = false; x < image.width; x += 1) {
        const is_ink = data[4 * x] + data[4 * x + 1] + data[4 * x + 2] < 3 * 230;
        if (is_ink) widths.push(is_before ? widths.pop() + 1 : 1);
        is_before = is_ink;
    }
    return widths;
}"""
"""Widths in pixels of what is drawn along the middle of a picture, from left to right."""


@pytest.mark.parametrize(("number", "drawn"), [(0, 0), (1, 1), (3, 3), (30, 11)])
def test_the_dots_of_a_stage_are_whole_where_they_do_not_all_fit(sign_in, number, drawn):
    """A stage 104 px wide has room for 11 dots of 9 px."""
    choose_scheme(sign_in, "light")
    sign_in.page.evaluate(
        "number => document.querySelector('#page').insertAdjacentHTML('beforeend', `<div class="
        '"path-stage" style="width: 122px; border: 1px solid white; background: white">'
        '<span id="stage-dots" style="display: block; width: 104px; height: 8px">'
        '<span class="path-dots" style="display: block; --n: ${number}"></span></span></div>`)',
        number,
    )
    picture = sign_in.page.locator("#stage-dots").screenshot(animations="disabled")
    sign_in.page.evaluate("document.querySelector('#page .path-stage').remove()")
    widths = sign_in.page.evaluate(INK, base64.b64encode(picture).decode())
    assert len(widths) == drawn
    assert all(7 <= width <= 8 for width in widths), widths


def test_a_page_without_a_connection_has_no_grave_violation(dashboard, look):
    """The last test of the file: the dashboard is killed."""
    opened = look(dashboard, context=DESKTOP).wait_drawn("overview-host")
    os.kill(dashboard.process.pid, signal.SIGKILL)
    dashboard.process.wait(10)
    opened.until("document.documentElement.dataset.standing === 'gone'")
    assert found_in_both_schemes(opened, "no connection") == []
