"""The client of the LO box, against a server that does what the test tells it."""

import time
from typing import Any

import pytest

from isactrack import ConfigError, DeviceError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError
from isactrack.drivers.bistatic.lo_box import LoBox, LoSettings


def client(box: Any, **options: Any) -> LoBox:
    return LoBox(*box.address, **options)


def test_what_is_asked_is_read(box: Any) -> None:
    lo = client(box)
    assert lo.serial_number() == "UDB-2445031-0630"
    assert lo.capability_hz() == (6e9, 30e9)
    assert lo.range_hz() == (6e9, 24e9)
    assert lo.frequency_hz() == 8.5e9
    assert box.connections == 1
    lo.close()
    lo.close()


def test_bring_up_sets_reference_output_and_frequency(box: Any) -> None:
    lo = client(box)
    assert lo.bring_up(LoSettings(frequency_hz=22e9, output=1, reference=3)) == 22e9
    assert [line for line in box.lines if line.startswith("SET")] == [
        "SET_REF_CONFIG 3", "SET_LO_CONFIG 1", "SET_LO_FREQ 22000000000",
    ]  # fmt: skip
    lo.close()


@pytest.mark.parametrize(
    ("frequency_hz", "hint"), [(26e9, "licence"), (40e9, "built for 6 GHz to 30 GHz"), (5e9, "built for")]
)
def test_a_frequency_out_of_range_is_refused_and_nothing_is_set(box: Any, frequency_hz: float, hint: str) -> None:
    lo = client(box)
    with pytest.raises(ConfigError, match="6 GHz to 24 GHz") as caught:
        lo.bring_up(LoSettings(frequency_hz=frequency_hz))
    assert hint in caught.value.hint
    assert not any(line.startswith("SET") for line in box.lines)
    lo.close()


@pytest.mark.parametrize(
    ("answer", "locked", "reference", "healthy"),
    [
        ("0,0,0,1", True, True, True), ("0,1,1,1", False, True, True), ("0,0,17,0", True, False, True),
        ("1, 0, 0x11, 0x12", True, False, False), ("0,0,0x01,17", True, True, True),
    ],
)  # fmt: skip
def test_its_status_is_understood(box: Any, answer: str, locked: bool, reference: bool, healthy: bool) -> None:
    box.answers["GET_ALL_STATUS"] = answer
    lo = client(box)
    status = lo.status()
    assert (status.locked, status.reference_locked, status.healthy) == (locked, reference, healthy)
    assert ("not locked" in str(status)) == (not (locked and reference))
    lo.close()


@pytest.mark.parametrize("answer", ["", "0", "0,0,0", "a,b,c,d", "0,0,0,0,0", "9" * 20 + ",0,0,0"])
def test_nonsense_is_a_protocol_error(box: Any, answer: str) -> None:
    box.answers["GET_ALL_STATUS"] = answer
    lo = client(box)
    with pytest.raises(ProtocolError, match="GET_ALL_STATUS") as caught:
        lo.status()
    assert caught.value.hint
    lo.close()


def test_a_refusal_and_a_box_that_runs_something_else_are_errors(box: Any) -> None:
    lo = client(box)
    box.answers["SET_LO_FREQ"] = "0"  # but does not tune
    with pytest.raises(ProtocolError, match=r"runs at 8\.5 GHz"):
        lo.bring_up(LoSettings(frequency_hz=22e9))
    box.answers["SET_LO_FREQ"] = "-1"
    with pytest.raises(ProtocolError, match="refuses 'SET_LO_FREQ 22000000000'"):
        lo.bring_up(LoSettings(frequency_hz=22e9))
    box.answers["GET_LO_RANGE"] = "5,1"
    with pytest.raises(ProtocolError, match="GET_LO_RANGE"):
        lo.bring_up(LoSettings(frequency_hz=22e9))
    lo.close()


def test_a_late_answer_is_nobody_s(box: Any) -> None:
    def late(_: str) -> str:
        time.sleep(0.25)
        return "1111"

    box.answers["GET_LO_FREQ"] = late
    lo = client(box, answer_s=0.1)
    with pytest.raises(DeviceTimeoutError, match="GET_LO_FREQ within"):
        lo.frequency_hz()
    time.sleep(0.3)
    assert lo.serial_number() == "UDB-2445031-0630"  # on a new connection
    assert box.connections == 2
    lo.close()


def test_an_answer_without_an_end_is_bounded(box: Any) -> None:
    box.end = ""
    lo = client(box, answer_s=0.1)
    with pytest.raises(DeviceTimeoutError):
        lo.serial_number()
    box.answers["GET_UDBOX_SN"] = "x" * 5000
    with pytest.raises(ProtocolError):
        lo.serial_number()
    lo.close()


def test_a_box_that_is_not_there_or_goes_away_is_told(box: Any) -> None:
    lo = client(box, answer_s=0.3)
    lo.status()
    box.close()
    for _ in range(2):
        with pytest.raises(DeviceError) as caught:
            lo.status()
        assert caught.value.hint
    with pytest.raises(DeviceNotFoundError, match="no LO box"):
        lo.status()
    lo.close()
