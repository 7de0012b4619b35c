"""Loads the corpus: the files in `cases/`, whose format README.md tells. Knows nothing of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CASES: Final = Path(__file__).parent / "cases"
INTERIM: Final = 100
APPS: Final = ("echo", "files", "websocket")
ENDS: Final = ("open", "closed", "waiting")

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SECTION = re.compile(r"RFC [0-9]+ section [0-9A-Z]+(?:\.[0-9]+)*: \S.*")
_ANSWER = re.compile(r"([1-5][0-9]{2}) ([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+)(?: \"(.*)\")?")
_REFUSAL = re.compile(r"([45][0-9]{2}) ([A-Z][A-Z_]+)")
_FIELD = re.compile(r"([A-Za-z-]+)(?:: (.*))?")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|\{([0-9]+)\*((?:[^}\\]|\\.)+)\}|(.))")
_LETTERS: Final = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


@dataclass(slots=True)
class Answer:
    """One expected answer, and what the server read for it."""

    status: int
    method: str = ""
    target: str = ""
    body: bytes = b""
    rule: str = ""  # name of the rule that was broken; then nothing else is known
    fields: list[tuple[str, str | None]] = field(default_factory=list)  # None: must be absent
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    """One stream of bytes on a fresh connection, and what must come of it.

    `is_choice`: the RFC lets a server choose; another one may accept what we refuse.
    """

    name: str
    topic: str
    section: str = ""
    is_choice: bool = False
    app: str = "echo"
    sent: bytes = b""
    answers: list[Answer] = field(default_factory=list)
    end: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether something in it must be refused by the protocol itself."""
        return any(answer.rule for answer in self.answers)


class CorpusError(ValueError):
    """A file of the corpus does not keep to the format; the text says where."""


def load_cases() -> list[Case]:
    """All cases, by file name and place. Raises CorpusError."""
    cases = [case for path in sorted(CASES.glob("*.txt")) for case in _load(path)]
    names = [case.name for case in cases]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise CorpusError(f"names that occur twice: {sorted(doubled)}")
    return cases


def unescape(text: str) -> bytes:
    """The bytes that a line of the corpus stands for. Raises ValueError."""
    found, at = [], 0
    for match in _ESCAPE.finditer(text):
        found.append(text[at : match.start()].encode("ascii"))
        hexadecimal, count, repeated, letter = match.groups()
        if hexadecimal:
            found.append(bytes([int(hexadecimal, 16)]))
        elif count:
            found.append(int(count) * unescape(repeated))
        elif letter in _LETTERS:
            found.append(_LETTERS[letter])
        else:
            raise ValueError(f"unknown escape \\{letter}")
        at = match.end()
    return b"".join([*found, text[at:].encode("ascii")])


def _load(path: Path) -> list[Case]:
    cases: list[Case] = []
    lines = path.read_text("ascii").splitlines()
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("#") or (not line.strip() and number <= len(lines)):
            continue
        try:
            if line.startswith("== ") or number > len(lines):
                _finish(cases)
            if line.startswith("== "):
                cases.append(_begin(line[3:], path.stem))
            elif line:
                _read_line(cases[-1], line)
        except (ValueError, IndexError) as error:
            raise CorpusError(f"{path.name}, line {number}: {error}") from None
    return cases


def _begin(name: str, topic: str) -> Case:
    if not _NAME.fullmatch(name):
        raise ValueError("a name is words of a-z and 0-9, joined by -")
    return Case(name, topic)


def _finish(cases: list[Case]) -> None:
    if not cases:
        return
    case = cases[-1]
    if not (case.section and case.sent and case.end):
        raise ValueError(f"{case.name} lacks its section, its bytes or its end")
    if not case.answers and case.end == "open":
        raise ValueError(f"{case.name} has no answer: it can only wait or be closed")


def _read_line(case: Case, line: str) -> None:
    if case.end:
        raise ValueError("the end comes last")
    mark, _, rest = line.partition(" ")
    match mark:
        case "RFC" if not case.section and _SECTION.fullmatch(line):
            case.section = line
        case "?" if rest == "may":
            case.is_choice = True
        case "@":
            case.app = APPS[APPS.index(rest)]
        case ">":
            case.sent += unescape(rest)
        case "<":
            case.answers.append(_answer(rest))
        case ":":
            case.answers[-1].fields.append(_field(rest))
        case ";":
            name, _, value = rest.partition(": ")
            case.answers[-1].trailers.append((unescape(name), unescape(value)))
        case "=":
            case.end = ENDS[ENDS.index(rest)]
        case _:
            raise ValueError(f"{line!r} fits no form that README.md tells")


def _answer(text: str) -> Answer:
    refusal = _REFUSAL.fullmatch(text)
    if refusal is not None:
        return Answer(int(refusal[1]), rule=refusal[2])
    if text == str(INTERIM):
        return Answer(INTERIM)
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise ValueError('an answer is `status METHOD target "body"` or `status RULE`')
    return Answer(int(match[1]), match[2], unescape(match[3]).decode(), unescape(match[4] or ""))


def _field(text: str) -> tuple[str, str | None]:
    match = _FIELD.fullmatch(text)
    if match is None:
        raise ValueError("a field is `Name: value`, or `Name` for one that must be absent")
    return match[1].lower(), match[2]
