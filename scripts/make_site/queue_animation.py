"""The animation of a queue: bursts arrive, wait, and are taken one by one by three workers.

The arrivals repeat with the animation's period and the queue runs empty within it, so the last
frame leads into the first. Only +, -, *, / and square roots are used: the same bytes everywhere.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gif
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Canvas = NDArray[np.float64]
    Colour = tuple[int, int, int]

WIDTH, HEIGHT = 720, 260
FRAMES, DELAY_CS = 110, 5
ARRIVAL_FRAMES = (2, 8, 11, 14, 17, 20, 23, 44, 62, 80)
SERVICE_FRAMES = 24
FASTEST = 22.0  # pixels a frame

PAPER, BOX, EDGE = (21, 27, 35), (30, 38, 48), (64, 78, 94)
TEXT, WAITING, WORKING = (176, 188, 202), (240, 160, 75), (63, 191, 151)
COLOURS = (EDGE, TEXT, WAITING, WORKING)

SLOTS = tuple((356.0 - 40 * number, 140.0) for number in range(6))
WORKERS = ((490.0, 82.0), (490.0, 140.0), (490.0, 198.0))
ENTRY_X, EXIT_X, RADIUS = -14.0, WIDTH + 30.0, 11.0

_ROUND = ((1, 0), (3, 0), (4, 1), (4, 5), (3, 6), (1, 6), (0, 5), (0, 1), (1, 0))
_LETTERS = {  # strokes on a grid of 4 by 6
    "A": (((0, 6), (2, 0), (4, 6)), ((0.7, 4), (3.3, 4))),
    "D": (((0, 0), (2.5, 0), (4, 1.5), (4, 4.5), (2.5, 6), (0, 6), (0, 0)),),
    "E": (((4, 0), (0, 0), (0, 6), (4, 6)), ((0, 3), (3, 3))),
    "K": (((0, 0), (0, 6)), ((4, 0), (0, 3.6)), ((1.4, 2.4), (4, 6))),
    "N": (((0, 6), (0, 0), (4, 6), (4, 0)),),
    "O": (_ROUND,),
    "Q": (_ROUND, ((2.6, 4.6), (4.2, 6.2))),
    "R": (((0, 6), (0, 0), (3, 0), (4, 1), (4, 2), (3, 3), (0, 3)), ((2, 3), (4, 6))),
    "S": (
        (
            *((4, 1), (3, 0), (1, 0), (0, 1), (0, 2), (1, 3)),
            *((3, 3), (4, 4), (4, 5), (3, 6), (1, 6), (0, 5)),
        ),
    ),
    "T": (((0, 0), (4, 0)), ((2, 0), (2, 6))),
    "U": (((0, 0), (0, 5), (1, 6), (3, 6), (4, 5), (4, 0)),),
    "W": (((0, 0), (1, 6), (2, 2), (3, 6), (4, 0)),),
}
_GRID_PX, _ADVANCE = 1.7, 6.3


@dataclass(slots=True)
class Request:
    """One request on its way; `worker` and `left` (frames of service to go) once it is taken."""

    x: float
    y: float
    worker: int | None = None
    left: int = SERVICE_FRAMES
    answered: bool = False

    def move_towards(self, target: tuple[float, float]) -> None:
        """Ease towards a point, not faster than `FASTEST`."""
        step_x, step_y = (target[0] - self.x) * 0.4, (target[1] - self.y) * 0.4
        length = (step_x * step_x + step_y * step_y) ** 0.5
        scale = min(1.0, FASTEST / length) if length else 0.0
        self.x += step_x * scale
        self.y += step_y * scale


class Scene:
    """The state of the queue, frame by frame."""

    def __init__(self) -> None:
        self.queue: list[Request] = []
        self.taken: list[Request] = []

    def step(self, frame: int) -> None:
        """Let one frame pass."""
        if frame in ARRIVAL_FRAMES:
            self.queue.append(Request(ENTRY_X, SLOTS[0][1]))
        busy = {request.worker for request in self.taken if not request.answered}
        for worker in range(len(WORKERS)):
            head = self.queue[0] if self.queue else None
            if worker not in busy and head is not None and head.x > SLOTS[0][0] - 4:
                head.worker = worker
                self.taken.append(self.queue.pop(0))
        for place, request in enumerate(self.queue):
            request.move_towards(SLOTS[min(place, len(SLOTS) - 1)])
        for request in self.taken:
            worker_x, worker_y = WORKERS[request.worker or 0]
            request.move_towards(
                (EXIT_X + 60, worker_y) if request.answered else (worker_x, worker_y)
            )
            request.left -= 1
            request.answered = request.left <= 0
        self.taken = [request for request in self.taken if request.x < EXIT_X]


def _paint(canvas: Canvas, distance: Canvas, area: tuple[slice, slice], colour: Colour) -> None:
    """Lay a colour where the signed distance (pixels) is below zero, with a soft edge."""
    cover = np.clip(0.5 - distance, 0.0, 1.0)[..., None]
    canvas[area] = canvas[area] * (1 - cover) + np.array(colour, float) * cover


def _window(
    left: float, top: float, right: float, bottom: float
) -> tuple[tuple[slice, slice], Canvas, Canvas]:
    """The part of the canvas around a shape: its slices and its pixels' centres."""
    x0, x1 = max(int(left) - 2, 0), min(int(right) + 3, WIDTH)
    y0, y1 = max(int(top) - 2, 0), min(int(bottom) + 3, HEIGHT)
    x1, y1 = max(x1, x0), max(y1, y0)
    ys, xs = np.mgrid[y0:y1, x0:x1] + 0.5
    return (slice(y0, y1), slice(x0, x1)), xs, ys


def circle(canvas: Canvas, x: float, y: float, radius: float, colour: Colour) -> None:
    """A filled circle."""
    area, xs, ys = _window(x - radius, y - radius, x + radius, y + radius)
    _paint(canvas, np.sqrt((xs - x) ** 2 + (ys - y) ** 2) - radius, area, colour)


def box(
    canvas: Canvas, corner: tuple[float, float, float, float], radius: float, colour: Colour
) -> None:
    """A filled rectangle (left, top, right, bottom) with round corners."""
    left, top, right, bottom = corner
    area, xs, ys = _window(left, top, right, bottom)
    across = np.abs(xs - (left + right) / 2) - (right - left) / 2 + radius
    down = np.abs(ys - (top + bottom) / 2) - (bottom - top) / 2 + radius
    outside = np.sqrt(np.maximum(across, 0) ** 2 + np.maximum(down, 0) ** 2)
    _paint(canvas, outside + np.minimum(np.maximum(across, down), 0) - radius, area, colour)


def stroke(
    canvas: Canvas, start: tuple[float, float], end: tuple[float, float], colour: Colour
) -> None:
    """A line 1.5 pixels wide with round ends."""
    (x0, y0), (x1, y1) = start, end
    area, xs, ys = _window(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((xs - x0) * dx + (ys - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    distance = np.sqrt((xs - x0 - along * dx) ** 2 + (ys - y0 - along * dy) ** 2)
    _paint(canvas, distance - 0.75, area, colour)


def label(canvas: Canvas, text: str, centre_x: float, top: float) -> None:
    """Capital letters, centred."""
    left = centre_x - (len(text) * _ADVANCE - (_ADVANCE - 4)) * _GRID_PX / 2
    for number, letter in enumerate(text):
        for line in _LETTERS[letter]:
            points = [
                (left + (number * _ADVANCE + x) * _GRID_PX, top + y * _GRID_PX) for x, y in line
            ]
            for start, end in itertools.pairwise(points):
                stroke(canvas, start, end, TEXT)


def background() -> Canvas:
    """The fixed parts: labels, slots, the workers' boxes."""
    canvas = np.empty((HEIGHT, WIDTH, 3))
    canvas[:] = PAPER
    label(canvas, "REQUESTS", 76, 28)
    label(canvas, "QUEUE", 256, 28)
    label(canvas, "WORKERS", 490, 28)
    label(canvas, "ANSWERED", 638, 28)
    for x, y in SLOTS:
        box(canvas, (x - 17, y - 17, x + 17, y + 17), 8, EDGE)
        box(canvas, (x - 16, y - 16, x + 16, y + 16), 7, BOX)
    for x, y in WORKERS:
        box(canvas, (x - 60, y - 24, x + 60, y + 24), 10, EDGE)
        box(canvas, (x - 59, y - 23, x + 59, y + 23), 9, BOX)
    return canvas


def draw(scene: Scene, canvas: Canvas) -> None:
    """Lay the requests over the background."""
    for request in scene.taken:
        if not request.answered:
            x, y = WORKERS[request.worker or 0]
            done = 1 - request.left / SERVICE_FRAMES
            box(canvas, (x - 48, y + 15, x + 48, y + 18), 1.5, EDGE)
            box(canvas, (x - 48, y + 15, x - 45 + 93 * done, y + 18), 1.5, WORKING)
        circle(canvas, request.x, request.y - 3 * (not request.answered), RADIUS, WORKING)
    for request in scene.queue:
        circle(canvas, request.x, request.y, RADIUS, WAITING)


def _palette() -> NDArray[np.uint8]:
    """Every colour over every ground in twelve steps."""
    colours: dict[tuple[int, ...], None] = {PAPER: None, BOX: None}
    for ground in (PAPER, BOX, EDGE):
        for colour in COLOURS:
            for step in range(1, 13):
                mixed = (
                    (g * (12 - step) + c * step + 6) // 12
                    for g, c in zip(ground, colour, strict=True)
                )
                colours[tuple(mixed)] = None
    return np.array(list(colours), np.uint8)


def _indices(
    pixels: Canvas, palette: NDArray[np.uint8], nearest: dict[int, int]
) -> NDArray[np.uint8]:
    """The nearest palette entry of each pixel; `nearest` remembers what was looked up."""
    rgb = np.rint(pixels).astype(np.int64)
    packed = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
    values, places = np.unique(packed, return_inverse=True)
    for value in values.tolist():
        if value not in nearest:
            colour = np.array([value >> 16, value >> 8 & 255, value & 255])
            nearest[value] = int(((palette.astype(np.int64) - colour) ** 2).sum(1).argmin())
    table = np.array([nearest[value] for value in values.tolist()], np.uint8)
    return table[places].reshape(packed.shape)


def make() -> bytes:
    """The animation as GIF."""
    still, palette, scene = background(), _palette(), Scene()
    nearest: dict[int, int] = {}
    still_indices = _indices(still, palette, nearest)
    frames = []
    for number in range(2 * FRAMES):  # the first period only brings the scene into its rhythm
        scene.step(number % FRAMES)
        if number >= FRAMES:
            canvas = still.copy()
            draw(scene, canvas)
            moved = (canvas != still).any(-1)
            frame = still_indices.copy()
            frame[moved] = _indices(canvas[moved], palette, nearest)
            frames.append(frame)
    return gif.encode(frames, palette, DELAY_CS)
