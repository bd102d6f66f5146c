"""Which SDK a firmware is of, and what each SDK's demo understands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import ProtocolError
from isactrack.drivers.awr1642.dialect import ARGUMENT_COUNTS, NEEDED, Dialect, detect_dialect


@pytest.mark.parametrize(
    ("line", "dialect"),
    [
        ("mmWave SDK Version      : 01.02.00.05", Dialect.SDK1),
        ("mmWave SDK Version      : 02.00.00.04", Dialect.SDK2),
        ("mmWave SDK Version      : 03.05.00.04", Dialect.SDK3),
        ("mmWave SDK Version:3.6.1.0\r", Dialect.SDK3),
        ("  MMWAVE SDK version : 1.0", Dialect.SDK1),
    ],
)
def test_the_sdk_is_read_off_the_version(line: str, dialect: Dialect) -> None:
    lines = ["Platform                : xWR16xx", line, "mmWaveLink Version      : 02.02.06.02", "Done"]
    assert detect_dialect(lines) is dialect
    assert dialect.label == f"SDK {int(dialect)}"


@pytest.mark.parametrize("version", ["04.01.00.02", "00.09.00.00", "99.0"])
def test_an_sdk_that_nobody_knows_is_no_guess(version: str) -> None:
    with pytest.raises(ProtocolError, match=f"mmWave SDK {version}, whose") as caught:
        detect_dialect([f"mmWave SDK Version      : {version}"])
    assert "flash" in caught.value.hint


@given(st.lists(st.text(max_size=40), max_size=5))
def test_a_version_without_an_sdk_is_a_protocol_error(lines: list[str]) -> None:
    with pytest.raises(ProtocolError, match="names no mmWave SDK") as caught:
        detect_dialect([*lines, "mmWave SDK Version : \u0663.1", "mmWaveLink Version      : 01.02.06.02"])
    assert caught.value.hint
    assert len(str(caught.value)) < 300


def test_the_sdks_differ_where_users_paste_the_wrong_line() -> None:
    one, two, three = (ARGUMENT_COUNTS[dialect] for dialect in Dialect)
    assert (one["cfarCfg"], two["cfarCfg"], three["cfarCfg"]) == ((8,), (8,), (9,))
    assert (one["adcbufCfg"], two["adcbufCfg"], three["adcbufCfg"]) == ((4, 5), (5,), (5,))
    assert three.keys() - two.keys() == {"aoaFovCfg", "cfarFovCfg", "calibData", "configDataPort", "queryDemoStatus"}
    assert two.keys() - three.keys() == {"peakGrouping", "nearFieldCfg", "dataLogger"}
    assert one.keys() == two.keys()


@pytest.mark.parametrize("dialect", Dialect)
def test_what_is_needed_exists(dialect: Dialect) -> None:
    assert set(NEEDED[dialect]) <= ARGUMENT_COUNTS[dialect].keys()
    assert {"profileCfg", "chirpCfg", "frameCfg"} <= set(NEEDED[dialect])
