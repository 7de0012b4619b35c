"""Placeholders: how they are read, and that no value ends what it stands in."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.errors import LoadRefusedError, UnfitValueError
from servescope.records.scenarios import BodyKind, RequestStep
from servescope.scenarios.placeholders import MAX_FILLED_FIELD, Place, RequestTemplate, Template

VALUES = {"n": "7", "user": "ada", "odd": 'a b&c="d"/é\n'}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(
    ("text", "place", "filled"),
    [
        ("/", Place.TARGET, "/"),
        ("/items/{n}", Place.TARGET, "/items/7"),
        ("/{user}/{n}?q={odd}", Place.TARGET, "/ada/7?q=a%20b%26c%3D%22d%22%2F%C3%A9%0A"),
        ("100%{n}%s", Place.TEXT, "100%7%s"),
        ("{{{n}}} {{n}}", Place.TEXT, "{7} {n}"),
        ("{n}{user}", Place.TEXT, "7ada"),
        ("<{odd}>", Place.TEXT, '<a b&c="d"/é\n>'),
        ("u={user}&o={odd}", Place.FORM, "u=ada&o=a+b%26c%3D%22d%22%2F%C3%A9%0A"),
        ('{"a": {"b": {n}}}', Place.JSON, '{"a": {"b": 7}}'),
        ('{"o": "{odd}"}', Place.JSON, '{"o": "a b&c=\\"d\\"/\\u00e9\\n"}'),
        ('["{{n}}", {}, "}}{{"]', Place.JSON, '["{n}", {}, "}}{{"]'),
        ("Bearer {user}", Place.FIELD, "Bearer ada"),
    ],
)
def test_a_template_is_filled(text, place, filled):
    assert Template(text, place).fill(VALUES) == filled


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("a{", "a '{' at position 2 belongs to no placeholder: write {{ for a brace"),
        ("}", "a '}' at position 1 belongs to no placeholder: write }} for a brace"),
        ("{user name}", "'{user name}' at position 1 is no placeholder: a name is of letters"),
        ("a {} b", "'{}' at position 3 is no placeholder"),
        ("{1st}", "'{1st}' at position 1 is no placeholder"),
        ("\ud800", "is half a character"),
    ],
)
def test_a_text_that_is_no_template_is_refused(text, refusal):
    with pytest.raises(LoadRefusedError) as caught:
        Template(text, Place.TEXT)
    assert refusal in str(caught.value)


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("/items/7?q=a/b&c=%2F", "/items/7?q=a/b&c=%2F"),
        ("/100%/%zz", "/100%25/%25zz"),
        ("/a b/é#top", "/a%20b/%C3%A9"),
        ("/a\r\nX: y", "/a%0D%0AX:%20y"),
        ("http://127.0.0.1:8000/items/7?x=1#top", "/items/7?x=1"),
        ("HTTPS://example.org", "/"),
        ("http://example.org?x=1", "/?x=1"),
    ],
)
def test_a_value_that_is_the_whole_target_keeps_its_path_and_query(value, target):
    request = RequestTemplate(RequestStep(target="{next}"))
    assert request.target.fill({"next": value}) == target


@pytest.mark.parametrize("value", ["", "items/7", "//example.org/", "ftp://example.org/", "*"])
def test_a_value_that_is_no_target_is_refused(value):
    with pytest.raises(UnfitValueError, match="is no path that starts with '/'"):
        RequestTemplate(RequestStep(target="{next}")).target.fill({"next": value})


@given(TEXTS)
def test_a_value_in_a_target_is_one_segment_or_one_value(value):
    filled = Template("/a/{v}/b?q={v}", Place.TARGET).fill({"v": value})
    path, _, query = filled.partition("?")
    assert path.split("/")[::3] == ["", "b"]
    assert unquote(path.split("/")[2]) == value
    assert unquote(query.removeprefix("q=")) == value
    assert filled.isascii()
    assert filled.isprintable()


@given(TEXTS)
def test_a_value_in_json_is_that_string(value):
    filled = Template('{"v": "{v}", "w": {"x": 1}}', Place.JSON).fill({"v": value})
    assert json.loads(filled) == {"v": value, "w": {"x": 1}}


@given(TEXTS.filter(bool))
def test_a_value_in_a_form_is_that_field(value):
    filled = Template("a=1&v={v}&b=2", Place.FORM).fill({"v": value})
    assert parse_qs(filled) == {"a": ["1"], "v": [value], "b": ["2"]}


@given(st.text(max_size=20))
def test_a_value_in_a_header_field_never_ends_it(value):
    template = Template("x {v}", Place.FIELD)
    try:
        filled = template.fill({"v": value})
    except UnfitValueError:
        return
    assert not set(filled) & set("\r\n\0")
    assert filled.encode("latin-1")


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\0", "\x7f", "€"])
def test_a_value_that_no_header_field_may_hold_is_refused(value):
    with pytest.raises(UnfitValueError, match="a header field may not hold"):
        Template("{v}", Place.FIELD).fill({"v": value})
    with pytest.raises(UnfitValueError, match="a header field may not hold"):
        Template(value, Place.FIELD)


@pytest.mark.parametrize("place", [Place.TARGET, Place.TEXT, Place.FORM])
def test_half_a_character_of_an_answer_is_refused(place):
    with pytest.raises(UnfitValueError, match="is half a character"):
        Template("/{v}", place).fill({"v": "a\udc80"})


def test_a_text_that_values_make_too_long_is_refused():
    template = Template("/{v}", Place.TARGET)
    assert len(template.fill({"v": "a" * (MAX_FILLED_FIELD - 1)})) == MAX_FILLED_FIELD
    with pytest.raises(UnfitValueError, match="8,191 characters with its values"):
        template.fill({"v": "a" * MAX_FILLED_FIELD})


def test_a_name_without_a_value_is_an_error():
    with pytest.raises(KeyError):
        Template("{user}", Place.TEXT).fill({"n": "1"})


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        (BodyKind.TEXT, "text/plain; charset=utf-8"),
        (BodyKind.JSON, "application/json"),
        (BodyKind.FORM, "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_has_the_content_type_of_its_kind(kind, content_type):
    request = RequestTemplate(RequestStep(method="POST", body="1", body_kind=kind))
    assert [(name, value.text) for name, value in request.fields] == [
        ("Content-Type", content_type)
    ]


def test_a_content_type_that_is_given_stays():
    fields = (("content-type", "text/csv"),)
    request = RequestTemplate(RequestStep(method="POST", body="1", headers=fields))
    assert [(name, value.text) for name, value in request.fields] == [*fields]


def test_a_request_knows_the_names_of_all_its_parts():
    step = RequestStep("", "POST", "/{n}", (("X-User", "{user}"),), "{token} {n}")
    request = RequestTemplate(step)
    assert request.names == {"n", "user", "token"}
    assert request.target.fill({"n": "1"}) == "/1"
    assert RequestTemplate(RequestStep()).names == frozenset()
