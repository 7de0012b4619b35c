import pytest

from servescope.environment import value_of, whole_number
from servescope.errors import SettingsError


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    for given, told in ((None, None), ("", None), ("x", "x")):
        monkeypatch.delenv("IT", raising=False) if given is None else monkeypatch.setenv(
            "IT", given
        )
        assert value_of("IT") == told


@pytest.mark.parametrize(("given", "told"), [("", None), ("0", 0), ("08", 8), ("99", 99)])
def test_a_whole_number(monkeypatch, given, told):
    monkeypatch.setenv("IT", given)
    assert whole_number("IT", 0, 99) == told


@pytest.mark.parametrize("given", ["x", "-1", "100", "1.5", " 1", "٣", "1" * 5_000, "0x1", "1_0"])
def test_what_is_no_number_within_bounds_is_named_in_one_line(monkeypatch, given):
    monkeypatch.setenv("IT", given)
    with pytest.raises(SettingsError) as caught:
        whole_number("IT", 0, 99)
    assert str(caught.value) == f"bad setting IT={given!r}: not a number from 0 to 99"
