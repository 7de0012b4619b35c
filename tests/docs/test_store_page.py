"""`docs/store.md` says what is so."""

from servescope.histogram import ERROR_BOUND
from servescope.settings import PREFIX, Settings
from servescope.store.codec.envelope import ROWS
from servescope.store.tiers import TIERS
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "store.md").read_text()


def test_the_tiers_are_the_codes():
    units = {"hours": 1, "days": 1}
    for tier in TIERS:
        name = next(field for field in Settings.model_fields if field.startswith(f"keep_{tier}s_"))
        default = Settings.model_fields[name].default
        unit = name.rpartition("_")[2]
        assert unit in units
        assert f"| {tier} s | {default} {unit} | `{PREFIX}{name.upper()}` |" in PAGE


def test_the_bound_and_the_rows_are_the_codes():
    assert f"{ERROR_BOUND * 100:.2f} %" in PAGE
    assert ROWS == 60
    assert "Sixty rows" in PAGE
