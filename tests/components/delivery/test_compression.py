"""Answers of views: which are compressed, and how."""

from __future__ import annotations

import gzip

import brotli
import pytest
from flask import Flask, Response

from components.delivery import compression
from components.delivery.compression import SMALLEST_FETCHED, SMALLEST_POSTED

DECODE = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
ALL = "gzip, deflate, br, zstd"


def client_of(answer):
    """A client of an app that answers everything so."""
    flask = Flask(__name__, static_folder=None)
    compression.connect(flask)
    flask.add_url_rule("/", view_func=answer, methods=["GET", "POST"])
    return flask.test_client()


@pytest.mark.parametrize(
    ("method", "length", "coding"),
    [
        ("GET", SMALLEST_FETCHED - 1, None),
        ("GET", SMALLEST_FETCHED, "br"),
        ("POST", SMALLEST_POSTED - 1, None),
        ("POST", SMALLEST_POSTED, "br"),
    ],
)
def test_short_answers_are_left_as_they_are(method, length, coding):
    client = client_of(lambda: Response("x" * length, mimetype="application/json"))
    answer = client.open("/", method=method, headers={"Accept-Encoding": ALL})
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert DECODE[coding](answer.data) == b"x" * length
    assert int(answer.headers["Content-Length"]) == len(answer.data)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (ALL, "br"),
        ("gzip", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.2, br;q=0.1", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
def test_the_coding_is_the_one_that_accept_encoding_prefers(accepted, coding):
    client = client_of(lambda: Response("page " * 1_000, mimetype="text/html"))
    answer = client.get("/", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == coding
    assert DECODE[coding](answer.data) == b"page " * 1_000


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: Response("x" * 9_999, mimetype="image/png"), id="an image"),
        pytest.param(lambda: Response(iter(["x"] * 9_999)), id="a stream"),
        pytest.param(lambda: Response("x" * 9_999, 404), id="an error"),
        pytest.param(
            lambda: Response("x" * 9_999, headers={"Content-Encoding": "zstd"}), id="coded already"
        ),
        pytest.param(lambda: Response("x" * 9_999, headers={"ETag": '"x"'}), id="with a tag"),
    ],
)
def test_what_is_not_ours_to_compress_passes_through(answer):
    found = client_of(answer).get("/", headers={"Accept-Encoding": ALL})
    assert found.data == b"x" * 9_999
    assert found.headers.get("Content-Encoding") in {None, "zstd"}


def test_other_fields_that_an_answer_varies_with_stay():
    client = client_of(lambda: Response("x" * 9_999, headers={"Vary": "Accept"}))
    assert client.get("/").headers["Vary"] == "Accept, Accept-Encoding"
