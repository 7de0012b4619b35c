"""The curve of waiting: mean time in the system against utilisation, drawn as SVG.

M/M/1: arrivals and service times are random (exponential), one worker. Mean time in the system is
S / (1 - u) for a mean service time S and a utilisation u.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

LEFT, RIGHT, TOP, BOTTOM = 90.0, 916.0, 66.0, 326.0
MOST = 20.0  # times the service time: the top of the axis
TEMPLATE = Path(__file__).with_name("waiting.svg.template")
MARKS = ((0.5, 2), (0.8, 5), (0.9, 10))


def _x(utilisation: float) -> float:
    return LEFT + utilisation * (RIGHT - LEFT)


def _y(times: float) -> float:
    return BOTTOM - times / MOST * (BOTTOM - TOP)


def _text(x: float, y: float, anchor: str, text: str, css_class: str = "soft") -> str:
    return f'<text class="{css_class}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _grid() -> list[str]:
    lines = []
    for times in range(0, int(MOST) + 1, 5):
        y = _y(times)
        css_class = "grid" if times else "axis"
        lines.append(f'<path class="{css_class}" d="M{LEFT:.0f} {y:.1f}H{RIGHT:.0f}"/>')
        lines.append(_text(LEFT - 12, y + 4, "end", f"{times}&#215;"))
    lines += [
        _text(_x(percent / 100), BOTTOM + 22, "middle", f"{percent} %")
        for percent in range(0, 101, 20)
    ]
    return lines


def _marks() -> list[str]:
    lines = []
    for utilisation, times in MARKS:
        x, y = _x(utilisation), _y(1 / (1 - utilisation))
        says = f"{utilisation * 100:.0f} % busy: {times} times as long"
        lines.append(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="6"/>')
        lines.append(_text(x - 14, y - 10, "end", says, "says"))
    return lines


def make() -> bytes:
    """The drawing, 960 x 400, dark and light."""
    steps = [step / 200 for step in range(round(200 * (1 - 1 / MOST)) + 1)]
    drawing = Template(TEMPLATE.read_text("utf-8")).substitute(
        grid="\n  ".join(_grid()),
        curve=" L".join(f"{_x(u):.1f} {_y(1 / (1 - u)):.1f}" for u in steps),
        foot=f"{_x(steps[-1]):.1f} {BOTTOM:.1f} L{LEFT:.1f} {BOTTOM:.1f}Z",
        marks="\n  ".join(_marks()),
    )
    return drawing.encode()
