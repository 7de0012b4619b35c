from pathlib import Path

import pytest

from servescope.errors import SettingsError
from servescope.secret_file import MOST_BYTES, read_secret

NAME = "SERVESCOPE_PASSWORD_FILE"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"open sesame", "open sesame"),
        (b"open sesame\n", "open sesame"),
        (b"open sesame\r\n", "open sesame"),
        (b" spaces are its own \n", " spaces are its own "),
        ("schlüssel\n".encode(), "schlüssel"),
    ],
)
def test_the_line_is_the_secret(tmp_path, content, secret):
    (tmp_path / "it").write_bytes(content)
    assert read_secret(NAME, tmp_path / "it") == secret


BAD = {
    "empty": (b"", "the file is empty"),
    "a line end alone": (b"\n", "the file is empty"),
    "white space alone": (b" \t\n", "the file is empty"),
    "two lines": (b"one\ntwo\n", "more than one line"),
    "no text": (b"\xff\xfe", "no text in UTF-8"),
    "too long": (b"x" * (MOST_BYTES + 1), "more than 4,096 bytes"),
}


@pytest.mark.parametrize(("content", "told"), BAD.values(), ids=BAD)
def test_a_file_without_a_secret_is_named_in_one_line_that_tells_none(tmp_path, content, told):
    (tmp_path / "it").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_secret(NAME, tmp_path / "it")
    assert str(caught.value).startswith(f"bad setting {NAME}={tmp_path / 'it'}: ")
    assert told in str(caught.value)
    assert "one" not in str(caught.value).replace(told, "").replace(str(tmp_path), "")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "told"),
    [("nowhere", "No such file"), (".", "Is a directory"), ("/dev/zero", "more than")],
)
def test_what_cannot_be_read_is_named(tmp_path, path, told):
    with pytest.raises(SettingsError, match=told):
        read_secret(NAME, tmp_path / Path(path))
