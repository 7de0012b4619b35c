"""Bodies that no page of ours sends, made of those that they do: seeded, so that a fault recurs."""

from __future__ import annotations

import copy
import json

HOSTILE = (
    None, True, False, 0, -1, 5, 1.5, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**300), 1e308,
    -1e308, 5e-324, float("nan"), float("inf"), "", " ", "x", "0", "-1", "1e999", "nan",
    "9" * 5_000, "x" * 70_000, "/", "//", "/../..", "?", "?a=1&a=2&view=5&last=5m",
    "?listener=a&listener=b", "%00", "\0", "\r\n", "\ud800", "é", "<script>", "__proto__",
    "unix:/tmp/x", "10.0.0.0/99", "os:system", "/etc", "wsgi", [], [[]], {}, [None], [[], {}],
    {"id": None}, {"": ""}, ["a", ["b"]], [1, 2, 3], [{"value": 1}], [{"stages_s": []}],
    {"last": []}, {"from": 1_700_000_000, "to": 1_700_009_000}, {"from": 0, "to": 2**33 - 1},
    {"from": 1e308, "to": "nan"}, {"from": -5, "to": 2**70, "host": "\n"}, {"host": "x" * 9_000},
    {"view": 1, "cursor": 1e400, "shape": "{}"}, {"view": "5m", "cursor": 1, "shape": "[" * 19_000},
)  # fmt: skip
DEEP = "[" * 500 + "]" * 500
BOMB = b"[" * 100_000 + b"]" * 100_000
CONTENT_TYPES = ("", "text/plain", "application/x-www-form-urlencoded", "application/json; x=\xff")


def mutated(random, body):
    """`(bytes, content type)`: one to three mutations of a body, most of them of its structure."""
    if random.random() < 0.02:
        return random.choice((b"", BOMB, b"null", b"[]", b'"x"', b"5", b"\xff\xfe{}")), JSON
    changed = copy.deepcopy(body)
    for _ in range(random.randint(1, 3)):
        changed = _restructured(random, changed)
    sent = json.dumps(changed).encode()
    if random.random() < 0.02:
        sent = sent.replace(b'"value": ', b'"value": ' + DEEP.encode() + b', "v": ', 1)
    if random.random() < 0.15:
        sent = _bytes_changed(random, sent)
    return sent, random.choice(CONTENT_TYPES) if random.random() < 0.02 else JSON


JSON = "application/json"


def _restructured(random, body):
    """Values of inputs and states most of the time: with a sound shape around they reach a page."""
    if random.random() < 0.75:
        lists = [body.get("inputs"), body.get("state")] if isinstance(body, dict) else []
        entries = [
            one for found in lists if isinstance(found, list) for one in found
            if isinstance(one, dict)
        ]  # fmt: skip
        if entries:
            entry = random.choice(entries)
            entry["value"] = _value(random, entry.get("value"))
            return body
    return _value(random, body)


def _value(random, value):
    """Something else in its place, or within it."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        match random.randrange(5):
            case 0:
                del value[key]
            case 1:
                value[random.choice(("", "x", "id", "value", key + "\0"))] = value.pop(key)
            case _ if key == "shape" and isinstance(value[key], str):
                value[key] = _shape(random, value[key])
            case _:
                value[key] = _value(random, value[key])
        return value
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        match random.randrange(5):
            case 0:
                del value[place]
            case 1:
                value.insert(place, copy.deepcopy(value[place]))
            case _:
                value[place] = _value(random, value[place])
        return value
    if isinstance(value, str) and value and random.random() < 0.3:
        place = random.randrange(len(value))
        return value[:place] + random.choice(("", "\0", "é", "9", ",", value)) + value[place + 1 :]
    if isinstance(value, (int, float)) and abs(value) < 1e300 and random.random() < 0.3:
        return value * random.choice((-1, 0, 1e6, 2**40, 1e300))
    return copy.deepcopy(random.choice(HOSTILE))


def _shape(random, text):
    """A cursor's shape is JSON within JSON."""
    try:
        shape = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(random.randint(1, 2)):
        shape = _value(random, shape)
    return json.dumps(shape)


def _bytes_changed(random, sent):
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(sent) + 1)
        match random.randrange(4):
            case 0:
                sent = sent[:place] + sent[place + random.randint(1, 20) :]
            case 1:
                sent = sent[:place] + random.randbytes(random.randint(1, 8)) + sent[place:]
            case 2:
                sent = sent[:place] + sent[max(0, place - 30) : place] * 2 + sent[place:]
            case _:
                sent = sent[:place]
    return sent
