"""Sets the bundled article, "How a request travels", on pages.

Its text lies in `article.txt`: blocks between blank lines. `# ` begins a heading, `|` the lines of
an example; `[stages]` stands for the drawing of the stages, `[page]` ends a page.
"""

from __future__ import annotations

from pathlib import Path

import pdf

TITLE = "How a request travels"
LEAD = "From the first byte sent to the last received, and where the time goes"
LEFT, WIDTH = 92.0, 411.0
TOP, BOTTOM = 74.0, 762.0
SIZE, LEADING = 10.5, 15.5
INK, SOFT = (0.10, 0.14, 0.20), (0.38, 0.43, 0.49)
WAITING, MOVING, RUNNING = (0.91, 0.53, 0.12), (0.18, 0.50, 0.82), (0.12, 0.62, 0.47)
SHADE, RULE, WHITE = (0.953, 0.961, 0.973), (0.83, 0.86, 0.89), (1.0, 1.0, 1.0)

STAGES = (  # name, share of the drawing, colour, from, to
    ("kernel", 0.17, WAITING, "the kernel has the bytes", "the server reads them"),
    ("read", 0.12, MOVING, "first byte read", "head complete and valid"),
    ("queue", 0.17, WAITING, "head complete", "a worker takes it"),
    ("app", 0.28, RUNNING, "the app is called", "head of the response ready"),
    ("body", 0.12, RUNNING, "head of the response ready", "no more body"),
    ("write", 0.14, MOVING, "first byte to the kernel", "last byte handed over"),
)

SOURCE = Path(__file__).with_name("article.txt")


class Flow:
    """Sets text down a page from `y` on."""

    def __init__(self) -> None:
        self.page = pdf.Page()
        self.y = TOP

    def heading(self, text: str) -> None:
        """A section's heading."""
        self.y += 14
        self.page.text(LEFT, self.y, text, pdf.BOLD, 12.5, INK)
        self.y += LEADING + 3

    def paragraph(self, text: str) -> None:
        """A paragraph, ragged right."""
        for line in pdf.wrap(text, pdf.REGULAR, SIZE, WIDTH):
            self.page.text(LEFT, self.y, line, pdf.REGULAR, SIZE, INK)
            self.y += LEADING
        self.y += 5

    def block(self, block: str) -> None:
        """One block of the source."""
        if block.startswith("# "):
            self.heading(block.removeprefix("# "))
        elif block.startswith("|"):
            self.example([line[2:] for line in block.splitlines()])
        elif block == "[stages]":
            self.stages()
        else:
            self.paragraph(block)

    def example(self, lines: list[str]) -> None:
        """Bytes as they travel, on a shade, with their line ends."""
        height = len(lines) * 14 + 14
        self.page.rectangle((LEFT, self.y - 8), WIDTH, height, SHADE)
        self.page.rectangle((LEFT, self.y - 8), 2.5, height, MOVING)
        self.y += 8
        for line in lines:
            self.page.text(LEFT + 16, self.y, line, pdf.MONO, 9.5, INK)
            end = LEFT + 16 + pdf.MONO.width(line + " " if line else "", 9.5)
            self.page.text(end, self.y, "CR LF", pdf.REGULAR, 6.5, SOFT)
            self.y += 14
        self.y += 16

    def stages(self) -> None:
        """The six stages as a bar, and below it where each begins and ends."""
        self.y += 6
        x, gap = LEFT, 2.0
        for name, share, colour, _, _ in STAGES:
            width = share * (WIDTH + gap) - gap
            self.page.rectangle((x, self.y - 4), width, 26, colour)
            start = x + (width - pdf.BOLD.width(name, 9.5)) / 2
            self.page.text(start, self.y + 12.5, name, pdf.BOLD, 9.5, WHITE)
            x += width + gap
        self.y += 34
        caption = "Orange waits, blue moves bytes, green runs the app. Not to scale."
        self.page.text(LEFT, self.y, caption, pdf.REGULAR, 8.5, SOFT)
        self.y += 25
        columns = (LEFT, LEFT + 72, LEFT + 246)
        for column, text in zip(columns, ("Stage", "begins when", "ends when"), strict=True):
            self.page.text(column, self.y, text, pdf.BOLD, 9, SOFT)
        for name, _, colour, begin, end in STAGES:
            self.page.rectangle((LEFT, self.y + 6), WIDTH, 0.6, RULE)
            self.y += 19
            self.page.rectangle((LEFT, self.y - 6.5), 7, 7, colour)
            self.page.text(columns[0] + 13, self.y, name, pdf.BOLD, 9.5, INK)
            self.page.text(columns[1], self.y, begin, pdf.REGULAR, 9.5, INK)
            self.page.text(columns[2], self.y, end, pdf.REGULAR, 9.5, INK)
        self.y += 32

    def title(self) -> None:
        """The article's title and the line below it."""
        self.page.rectangle((LEFT, 70), 34, 4, RUNNING)
        self.page.text(LEFT, 112, TITLE, pdf.BOLD, 27, INK)
        self.page.text(LEFT, 137, LEAD, pdf.REGULAR, 12.5, SOFT)
        self.y = 165

    def footer(self, number: int) -> None:
        """The running line at the foot; raises ValueError when the text ran into it."""
        if self.y > BOTTOM + LEADING:
            raise ValueError(f"page {number} runs over its foot by {self.y - BOTTOM:.0f} points")
        self.page.rectangle((LEFT, 786), WIDTH, 0.6, RULE)
        self.page.text(LEFT, 802, TITLE, pdf.REGULAR, 8.5, SOFT)
        self.page.text(LEFT + WIDTH - 5, 802, str(number), pdf.REGULAR, 8.5, SOFT)


def make() -> bytes:
    """The article as PDF."""
    pages = []
    for number, source in enumerate(SOURCE.read_text("utf-8").split("[page]"), start=1):
        flow = Flow()
        if number == 1:
            flow.title()
        for block in source.strip().split("\n\n"):
            flow.block(block)
        flow.footer(number)
        pages.append(flow.page)
    return pdf.encode(pages, TITLE)
