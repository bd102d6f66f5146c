"""``isactrack card`` against the emulated card."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from isactrack.cli.main import root, run
from isactrack.drivers.awr1642.dca1000 import Addresses, Response, StatusFlag
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.dca1000 import Dca1000Fpga
from isactrack.drivers.simulated.scene import make_scene

Capture = pytest.CaptureFixture[str]
NEW = ["--new-host", "192.168.34.30", "--new-fpga", "192.168.34.180", "--new-data-port", "5001"]
STORED = Addresses(host_ip="192.168.34.30", fpga_ip="192.168.34.180", fpga_port=5000, config_port=5000, data_port=5001)


@pytest.fixture
def board() -> Iterator[SimulatedBoard]:
    board = SimulatedBoard(make_scene("noise"))
    try:
        yield board
    finally:
        board.close()


def where(board: SimulatedBoard) -> list[str]:
    a = board.addresses
    return ["--host", a.host_ip, "--fpga", a.fpga_ip, "--config-port", str(a.config_port),
            "--data-port", str(a.data_port), "--fpga-port", str(a.fpga_port)]  # fmt: skip


def answer(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["card", *arguments, "--json"]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    data: dict[str, Any] = json.loads(out)
    return data


def test_the_status_of_a_card_is_told(board: SimulatedBoard, capsys: Capture) -> None:
    data = answer(capsys, "status", *where(board))
    assert (data["address"], data["fpga_version"], data["events"]) == (board.addresses.fpga_ip, "2.8", [])
    assert run(["card", "status", *where(board)]) == 0
    assert "2.8" in capsys.readouterr().out


def test_what_the_card_reports_is_explained(
    board: SimulatedBoard, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Dca1000Fpga.handle
    report = Response(0x0A, StatusFlag.NO_LVDS_DATA).encode()
    monkeypatch.setattr(Dca1000Fpga, "handle", lambda self, datagram: [report, *handle(self, datagram)])
    (first, *_) = answer(capsys, "status", *where(board))["events"]
    assert first["name"] == "NO_LVDS_DATA"
    assert "lvdsStreamCfg" in first["advice"]
    assert run(["card", "status", *where(board)]) == 0
    assert "NO_LVDS_DATA" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["reset", "reset-radar"])
def test_resets_are_done_and_said(board: SimulatedBoard, capsys: Capture, action: str) -> None:
    assert answer(capsys, action, *where(board))["done"] == action
    assert run(["card", action, *where(board)]) == 0
    assert "is reset" in capsys.readouterr().out


def test_a_card_that_is_not_there_is_exit_code_3(capsys: Capture) -> None:
    arguments = ["--host", "127.0.0.1", "--fpga", "127.0.0.1", "--config-port", "42001", "--fpga-port", "42002"]
    assert run(["card", "status", *arguments]) == 3
    err = capsys.readouterr().err
    assert "did not answer SYSTEM_CONNECT" in err
    assert "ping 127.0.0.1" in err


def test_without_the_flag_nothing_is_written(board: SimulatedBoard, capsys: Capture) -> None:
    assert run(["card", "set-address", *NEW, *where(board)]) == 2
    out, err = capsys.readouterr()
    assert "1e 22 a8 c0 b4 22 a8 c0 12 90 78 56 34 12" in out
    assert "nothing was written" in err
    assert "--write-eeprom" in err
    assert "SW2.6" in err
    assert board._fpga.eeprom is None
    data = answer(capsys, "set-address", *NEW, *where(board), code=2)
    assert (data["written"], data["fpga_ip"]) == (False, "192.168.34.180")


def test_with_the_flag_the_emulated_card_stores_the_addresses(board: SimulatedBoard, capsys: Capture) -> None:
    arguments = ["set-address", *NEW, "--new-config-port", "5000", *where(board), "--write-eeprom"]
    data = answer(capsys, *arguments)
    assert data["written"] is True
    assert "SW2.6" in data["recovery"]
    assert board._fpga.eeprom == STORED
    assert run(["card", *arguments, "--yes"]) == 0
    out = capsys.readouterr().out
    assert "host=192.168.34.30&fpga=192.168.34.180&config_port=5000&fpga_port=5000&data_port=5001" in out
    assert "SW2.6" in out


@pytest.mark.parametrize("agreed", [True, False])
def test_at_a_terminal_it_asks_first(
    board: SimulatedBoard, capsys: Capture, monkeypatch: pytest.MonkeyPatch, agreed: bool
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda text, **_options: agreed)
    arguments = ["set-address", *NEW, "--new-config-port", "5000", *where(board), "--write-eeprom"]
    assert run(["card", *arguments]) == (0 if agreed else 2)
    assert "SW2.6" in capsys.readouterr().err
    assert board._fpga.eeprom == (STORED if agreed else None)


@pytest.mark.parametrize(
    "wrong",
    [
        ["status", "--fpga", "here"],
        ["set-address", "--new-fpga", "10.0.0.1"],
        ["set-address", "--new-mac", "12:34"],
        ["set-address", "--new-data-port", "0"],
        ["status", "--new-fpga", "192.168.33.181"],
        ["erase"],
    ],
)
def test_wrong_addresses_are_exit_code_2(capsys: Capture, wrong: list[str]) -> None:
    assert run(["card", *wrong]) == 2
    assert capsys.readouterr().err


def test_each_subcommand_explains_itself() -> None:
    context = click.Context(root)
    group = root.get_command(context, "card")
    assert isinstance(group, click.Group)
    assert sorted(group.commands) == ["reset", "reset-radar", "set-address", "status"]
    for command in group.commands.values():
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option))
