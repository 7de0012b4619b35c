"""axe finds nothing grave in what a person opens, and where there is nothing to show.

On the pages themselves `test_pages` has it look.
"""

import base64
import os
import signal

import pytest

from tests.axe import OF_COLOURS, colours_of_boxes, grave_violations, unseen_buttons
from tests.browser.conftest import DESKTOP, PHONE

pytestmark = pytest.mark.browser

SCHEMES = {"light": {}, "dark": OF_COLOURS}
"""The options that axe gets in each colour scheme."""
DEVICES = {"desktop": DESKTOP, "phone": PHONE}


def found_in_both_schemes(opened, name):
    found = []
    for scheme, options in SCHEMES.items():
        opened.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        opened.until(
            "scheme => document.documentElement.dataset.mantineColorScheme === scheme", scheme
        )
        found += [f"{name}, {scheme}: {line}" for line in grave_violations(opened.page, options)]
    return found


@pytest.mark.usefixtures("two_runs")
@pytest.mark.parametrize("device", DEVICES)
def test_a_form_with_a_mix_above_runs_has_no_grave_violation(open_page, device):
    opened = open_page("/load", DEVICES[device])
    opened.page.locator(".more > summary").press("Enter")
    opened.page.get_by_role("button", name="Add a request to the mix").press("Enter")
    opened.page.locator("#load-history").scroll_into_view_if_needed()
    opened.page.locator("#load-history a[data-page]").first.wait_for()
    assert found_in_both_schemes(opened, "/load with a mix and runs") == []


@pytest.mark.parametrize("device", DEVICES)
def test_nor_has_what_a_person_opens(open_page, device):
    opened = open_page("/", DEVICES[device]).wait_drawn("overview-host")
    opened.page.locator(".standing").click()
    opened.page.locator("#processes").wait_for()
    assert found_in_both_schemes(opened, "processes") == []


def test_nor_has_a_page_without_a_connection(start_dashboard, look):
    running = start_dashboard()
    opened = look(running, context=DESKTOP).wait_drawn("overview-host")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    opened.until("document.documentElement.dataset.standing === 'gone'")
    assert found_in_both_schemes(opened, "no connection") == []


@pytest.mark.parametrize("path", ["/sign-in", "/no/such/page"])
def test_nor_has_a_page_without_graphs(open_page, path):
    opened = open_page(path)
    found = found_in_both_schemes(opened, path)
    opened.complaints[:] = [text for text in opened.complaints if "404" not in text]
    assert found == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_bar_beside_findings_has_a_colour_of_its_state_that_is_seen(open_page, scheme):
    opened = open_page("/sign-in", DESKTOP | {"color_scheme": scheme})
    boxes = colours_of_boxes(opened.page)
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
def test_the_dots_of_a_stage_are_whole_where_they_do_not_all_fit(open_page, number, drawn):
    """A stage 104 px wide has room for 11 dots of 9 px."""
    opened = open_page("/sign-in", DESKTOP | {"color_scheme": "light"})
    opened.page.evaluate(
        "number => document.querySelector('#page').insertAdjacentHTML('beforeend', `<div class="
        '"path-stage" style="width: 122px; border: 1px solid white; background: white">'
        '<span id="stage-dots" style="display: block; width: 104px; height: 8px">'
        '<span class="path-dots" style="display: block; --n: ${number}"></span></span></div>`)',
        number,
    )
    picture = opened.page.locator("#stage-dots").screenshot(animations="disabled")
    widths = opened.page.evaluate(INK, base64.b64encode(picture).decode())
    assert len(widths) == drawn
    assert all(7 <= width <= 8 for width in widths), widths


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_disabled_button_is_seen_as_a_button(open_page, scheme):
    """Of each kind: Mantine's, those of a menu, and those of a card, in a panel and beside it."""
    opened = open_page("/load", DESKTOP | {"color_scheme": scheme, "reduced_motion": "reduce"})
    opened.until("document.querySelectorAll('#load-demos .card-action').length > 0")
    disabled = opened.page.evaluate(
        "() => [...document.querySelectorAll('.mantine-Button-root, .menu-button, .card-action')]"
        ".filter(button => button.checkVisibility())"
        ".map(button => { button.disabled = true; return button.className; }).join(' ')"
    )
    for kind in ("mantine-Button-root", "menu-button", "card-action"):
        assert kind in disabled
    assert unseen_buttons(opened.page) == []
