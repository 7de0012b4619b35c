"""A small PDF 1.4 writer: text in the standard fonts, filled rectangles, lines (ISO 32000-1).

Streams stay uncompressed: the file can be read in a text editor, and has the same bytes everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PAGE_WIDTH, PAGE_HEIGHT = 595.0, 842.0  # A4 in points
_FIRST_FONT = 4  # object number: 1 catalog, 2 page tree, 3 information

Colour = tuple[float, float, float]

# Advance widths of the characters 32 to 126 in thousandths of the size, from Adobe's font metrics.
_HELVETICA = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 "
    "556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 "
    "722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 "
    "556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 "
    "260 334 584"
)
_HELVETICA_BOLD = (
    "278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 "
    "556 556 556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 "
    "722 778 667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 "
    "556 333 611 611 278 278 556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389 "
    "280 389 584"
)


@dataclass(frozen=True, slots=True)
class Font:
    """One of the fonts every reader has; `widths` are those of the characters 32 to 126."""

    key: str
    name: str
    widths: tuple[int, ...]

    def width(self, text: str, size: float) -> float:
        """Length of a line in points; a character outside ASCII counts as an average one."""
        inside = range(32, 127)
        return (
            sum(self.widths[ord(c) - 32] if ord(c) in inside else 556 for c in text) * size / 1000
        )


REGULAR = Font("F1", "Helvetica", tuple(map(int, _HELVETICA.split())))
BOLD = Font("F2", "Helvetica-Bold", tuple(map(int, _HELVETICA_BOLD.split())))
MONO = Font("F3", "Courier", (600,) * 95)
FONTS = (REGULAR, BOLD, MONO)


def wrap(text: str, font: Font, size: float, width: float) -> list[str]:
    """Break a paragraph into lines no longer than `width` points."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and font.width(longer, size) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


@dataclass(slots=True)
class Page:
    """Drawing on one page; y counts in points from the top, text sits on its baseline."""

    operations: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, font: Font, size: float, colour: Colour) -> None:
        """One line of text."""
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self.operations.append(
            f"BT {_rgb(colour)} rg /{font.key} {size:g} Tf {x:.2f} {PAGE_HEIGHT - y:.2f} Td"
            f" ({escaped}) Tj ET"
        )

    def rectangle(
        self, corner: tuple[float, float], width: float, height: float, colour: Colour
    ) -> None:
        """A filled rectangle from its top left corner."""
        x, y = corner
        self.operations.append(
            f"{_rgb(colour)} rg"
            f" {x:.2f} {PAGE_HEIGHT - y - height:.2f} {width:.2f} {height:.2f} re f"
        )


def _rgb(colour: Colour) -> str:
    return " ".join(f"{part:.3g}" for part in colour)


def encode(pages: list[Page], title: str) -> bytes:
    """The whole file: header, objects, cross-reference table, trailer (ISO 32000-1, 7.5)."""
    first_page = _FIRST_FONT + len(FONTS)
    page_numbers = range(first_page, first_page + 2 * len(pages), 2)
    kids = " ".join(f"{number} 0 R" for number in page_numbers)
    fonts = " ".join(
        f"/{font.key} {number} 0 R" for number, font in enumerate(FONTS, start=_FIRST_FONT)
    )
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode("ascii"),
        f"<< /Title ({title}) /Producer (Servescope) >>".encode("cp1252"),
    ]
    bodies += [
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{font.name}"
        f" /Encoding /WinAnsiEncoding >>".encode("ascii")
        for font in FONTS
    ]
    for number, page in zip(page_numbers, pages, strict=True):
        content = "\n".join(page.operations).encode("cp1252")
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PAGE_WIDTH:g} {PAGE_HEIGHT:g}]"
            f" /Resources << /Font << {fonts} >> >> /Contents {number + 1} 0 R >>".encode("ascii")
        )
        bodies.append(
            f"<< /Length {len(content)} >>\nstream\n".encode("ascii") + content + b"\nendstream"
        )
    # The comment of high bytes tells transfer programs that the file is binary.
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode("ascii") + body + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n".encode("ascii")
    out += b"".join(f"{offset:010d} 00000 n \n".encode("ascii") for offset in offsets)
    out += (
        f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R /Info 3 0 R >>\n"
        f"startxref\n{table}\n%%EOF\n"
    ).encode("ascii")
    return bytes(out)
