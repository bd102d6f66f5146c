"""The command line as people and scripts meet it: help, exit codes, errors in words, JSON."""

import json
import logging
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from isactrack.cli import entry
from isactrack.cli import main as cli_main
from isactrack.cli._options import parse_duration, parse_share, parse_speed
from isactrack.cli._signals import held_interrupts
from isactrack.cli.main import COMMANDS, root, run
from isactrack.processing.chain import ChainConfig
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.tracking.config import bistatic_tracker_config
from isactrack.tracking.tracker import TrackerConfig

ISACTRACK = [sys.executable, "-m", "isactrack.cli.entry"]
HEAVY = ("h5py", "scipy", "rich", "PySide6", "pyqtgraph", "matplotlib", "serial")


def command_of(name: str) -> click.Command:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    return command


# --- help ----------------------------------------------------------------------------------------------------------


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(root, ["--help"])
    assert result.exit_code == 0
    for name, text in COMMANDS.items():
        assert f"  {name} " in result.output
        assert text in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(root, [name, "--help"])
    assert result.exit_code == 0
    assert f"isactrack {name}" in result.output[result.output.index("Example") :]
    for parameter in command_of(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts} has no help"


def test_a_flag_means_the_same_in_every_command() -> None:
    meaning: dict[str, set[str | None]] = {}
    for name in COMMANDS:
        for parameter in command_of(name).params:
            for flag in parameter.opts:
                if flag.startswith("-") and not flag.startswith("--"):
                    meaning.setdefault(flag, set()).add(parameter.name)
    assert all(len(names) == 1 for names in meaning.values()), meaning


@pytest.mark.parametrize("name", ["process", "track", "evaluate", "view"])
def test_defaults_in_the_help_are_those_of_the_configuration(name: str) -> None:
    chain, tracker = ChainConfig(), TrackerConfig()
    ofdm, of_radios = OfdmChainConfig(), bistatic_tracker_config()

    def both(radar: object, radio: object) -> str:
        return str(radar) if radar == radio else f"{radar}, of radios {radio}"

    expected: dict[str, object] = {
        "--coherent-frames": chain.coherent_frames, "--p-fa": chain.p_fa,
        "--min-snr": both(chain.min_snr_db, ofdm.music.min_snr_db),
        "--min-range": chain.min_range_m,
        "--cluster-distance": both(chain.cluster_distance_m, ofdm.cluster_distance_m),
        "--detector": chain.detector, "--p-overall": chain.mnomp.p_overall,
        "--clutter": ofdm.clutter_filter, "--mean-blocks": ofdm.mean_blocks,
        "--calibration-method": ofdm.calibration.method,
    }  # fmt: skip
    if name != "process":
        expected |= {
            "--acceleration-std": both(tracker.acceleration_std_mps2, of_radios.acceleration_std_mps2),
            "--gate-probability": both(tracker.gate_probability, of_radios.gate_probability),
            "--association": both(tracker.association, of_radios.association),
            "--filter": tracker.filter,
            "--max-misses": both(tracker.max_misses_confirmed, of_radios.max_misses_confirmed),
            "--confirm": both(
                f"{tracker.confirm_hits}/{tracker.confirm_window}",
                f"{of_radios.confirm_hits}/{of_radios.confirm_window}",
            ),
        }
    words = " ".join(CliRunner().invoke(root, [name, "--help"], terminal_width=300).output.split())
    for flag, value in expected.items():
        assert re.search(rf"{flag} (?:(?! --).)*\[default: {re.escape(str(value))}\]", words), flag
    # What the help says in words.
    assert chain.max_range_m is None
    assert chain.remove_static
    assert tracker.use_radial_velocity
    assert not of_radios.use_radial_velocity
    assert ofdm.music.smoothing
    assert ofdm.max_azimuth_rad == math.radians(70.0)


def test_libraries_work_in_one_thread_unless_somebody_asks_for_more() -> None:
    code = (
        "import os\nfrom isactrack.cli.entry import main\n"
        "try:\n    main(['--version'])\nfinally:\n"
        "    print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'])"
    )
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    for given, shown in (({}, "1 1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3 1")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**plain, **given}
        )
        assert done.stdout.splitlines()[-1] == shown


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from isactrack.cli.main import run; run(['--help']); "
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell the processor time of children")
def test_help_is_quick() -> None:
    import resource

    def processor_s(command: list[str]) -> float:
        # Processor time, because the wall clock also measures what else the machine is doing.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    plain = min(processor_s([sys.executable, "-c", "pass"]) for _ in range(3))
    shown = min(processor_s([*ISACTRACK, "--help"]) for _ in range(3))
    assert shown - plain < 0.3


def test_version() -> None:
    result = CliRunner().invoke(root, ["--version"])
    assert result.output == f"isactrack {import_module('isactrack').__version__}\n"


# --- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "meant"), [("recrod", "record"), ("valdate", "validate"), ("device", "devices")])
def test_a_mistyped_command_is_answered_with_a_suggestion(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([typed]) == 2
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["record", "-o", "x.h5"]) == 2
    assert "--device" in capsys.readouterr().err
    assert run(["zzz"]) == 2
    assert "Did you mean" not in capsys.readouterr().err
    assert run(["record", "--frmes", "3"]) == 2
    assert "--frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("convert", "text", "value"),
    [
        (parse_duration, "60s", 60.0), (parse_duration, "500ms", 0.5), (parse_duration, "1.5min", 90.0),
        (parse_duration, "2 m", 120.0), (parse_duration, "1h", 3600.0), (parse_duration, "7", 7.0),
        (parse_share, "0.1%", 0.001), (parse_share, "0.001", 0.001), (parse_share, "100 %", 1.0),
        (parse_share, "0", 0.0),
        (parse_speed, "max", float("inf")), (parse_speed, "2.5", 2.5),
    ],
)  # fmt: skip
def test_values_with_units_are_read(convert: Callable[[str], float], text: str, value: float) -> None:
    assert convert(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (parse_duration, "0"), (parse_duration, "-3s"), (parse_duration, "3 days"), (parse_duration, ""),
        (parse_share, "101%"), (parse_share, "-1%"), (parse_share, "a"), (parse_speed, "0"), (parse_speed, "nan"),
        (parse_speed, "inf"), (parse_speed, "fast"), (parse_duration, "nan"),
    ],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused(convert: Callable[[str], float], text: str) -> None:
    with pytest.raises(click.BadParameter, match="is n"):
        convert(text)


def test_an_unexpected_error_is_one_line_and_debug_shows_the_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug\nwith two lines")

    monkeypatch.setattr("isactrack.drivers.registry.list_devices", fail)
    assert run(["devices"]) == 1
    err = capsys.readouterr().err
    assert err.splitlines() == [
        "Unexpected error: ZeroDivisionError: a bug with two lines",
        "  -> run with --debug for the trace",
    ]
    for arguments in (["--debug", "devices"], ["devices", "--debug"]):
        assert run(arguments) == 1
        assert 'raise ZeroDivisionError("a bug' in capsys.readouterr().err


def test_ctrl_c_exits_with_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("isactrack.drivers.registry.list_devices", interrupt)
    assert run(["devices"]) == 130
    assert "Interrupted." in capsys.readouterr().err


def test_an_interrupt_that_a_compiled_module_turned_into_an_import_error_is_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(*_args: object, **_options: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            raise ImportError("initialization failed") from interrupt

    monkeypatch.setattr("isactrack.cli.main.root.main", main)
    assert run(["devices"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["devices"], []),
        (["-v", "devices"], ["INFO isactrack.x: told", "WARNING isactrack.x: warned"]),
        (["devices", "-v"], ["INFO isactrack.x: told", "WARNING isactrack.x: warned"]),
        (["devices", "-vv"], ["DEBUG isactrack.x: explained", "INFO isactrack.x: told", "WARNING isactrack.x: warned"]),
        (["-v", "devices", "-v"],
         ["DEBUG isactrack.x: explained", "INFO isactrack.x: told", "WARNING isactrack.x: warned"]),
    ],
)  # fmt: skip
def test_verbose_logs_this_package_to_stderr(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk() -> list[object]:
        log = logging.getLogger("isactrack.x")
        log.debug("explained")
        log.info("told")
        log.warning("warned")
        logging.getLogger("another.package").debug("noise")
        return []

    monkeypatch.setattr("isactrack.drivers.registry.list_devices", talk)
    assert run([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    # The time comes first.
    assert [line.split(" ", 2)[2] for line in captured.err.splitlines()] == words
    assert run(["devices", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_warnings_are_shown_without_being_asked_for() -> None:
    code = (
        "import logging, isactrack.drivers.registry as registry; from isactrack.cli.main import run; "
        "registry.list_devices = lambda: logging.getLogger('isactrack.x').warning('warned') or []; run(['devices'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warned\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes of Windows end otherwise")
def test_a_reader_that_leaves_causes_no_complaint() -> None:
    process = subprocess.Popen([*ISACTRACK, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert err == b""


@pytest.mark.skipif(os.name == "nt", reason="shells of Windows cannot close streams")
@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_cause_no_complaint(redirection: str) -> None:
    command = f'"$0" -m isactrack.cli.entry devices {redirection}'
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_to_a_full_disk_is_one_clear_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*ISACTRACK, "devices"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr.splitlines()[0] == "Error: cannot write the output: No space left on device"
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows words it another way")
@pytest.mark.parametrize("arguments", [["record", "-d", "sim://awr1642", "-o"], ["info"], ["repair"]])
def test_a_name_that_no_file_can_have_is_one_clear_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = 300 * "x" + ".h5"
    assert run([*arguments, name]) == 5
    complaint, hint = capsys.readouterr().err.splitlines()
    assert complaint.startswith("Error: ")
    assert complaint.endswith("File name too long")
    assert "check the" in hint


# --- devices -------------------------------------------------------------------------------------------------------


def test_devices_are_listed_for_people_and_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices"]) == 0
    table = capsys.readouterr().out
    assert run(["devices", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema_version"] == 1
    simulated = [device for device in data["devices"] if device["source"] == "simulated"]
    assert [device["url"] for device in simulated] == ["sim://awr1642", "sim://bistatic"]
    for device in data["devices"]:
        keys = {"url", "model", "description", "source", "console_port", "data_port", "serial_number"}
        assert set(device) == keys
        assert device["url"] in table


ENDINGS = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


@pytest.mark.parametrize("number", ENDINGS, ids=lambda number: number.name)
@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN], ids=["default", "ignored"])
def test_main_turns_a_polite_kill_into_an_interrupt(
    number: signal.Signals, before: signal.Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = {ending: signal.getsignal(ending) for ending in ENDINGS}
    monkeypatch.setattr(cli_main, "run", lambda _arguments: 7)
    try:
        signal.signal(number, before)
        with pytest.raises(SystemExit) as left:
            entry.main([])
        assert left.value.code == 7
        expected = signal.SIG_IGN if before is signal.SIG_IGN else signal.default_int_handler
        assert signal.getsignal(number) is expected
    finally:
        for ending, handler in former.items():
            signal.signal(ending, handler)


def test_what_others_typed_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from isactrack.cli._output import print_facts, print_table

    print_facts({"note": "a\x1b[31mred\x07, t\u00fcr"})
    print_table(["event"], [("\x9b2J\x7f",)])
    out = capsys.readouterr().out
    assert r"a\x1b[31mred\x07, tür" in out
    assert r"\x9b2J\x7f" in out


# --- JSON ----------------------------------------------------------------------------------------------------------


def test_json_knows_numpy_enums_paths_and_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from isactrack.cli._output import print_json
    from isactrack.source import Source

    print_json({
        "a": np.float64(1.5), "b": np.arange(2), "c": float("nan"), "d": Source.REPLAY, "e": Path("x") / "y",
        "f": (1, None, True), "g": {"h": [float("inf"), np.nan]},
    })  # fmt: skip
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out, parse_constant=pytest.fail) == {
        "schema_version": 1, "a": 1.5, "b": [0, 1], "c": None, "d": "replay", "e": str(Path("x") / "y"),
        "f": [1, None, True], "g": {"h": [None, None]},
    }  # fmt: skip


# --- signals -------------------------------------------------------------------------------------------------------


def test_an_interrupt_waits_for_the_end_of_an_import() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_interrupts():
        signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_signals_that_do_not_interrupt_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _number: signal.SIG_IGN)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_interrupts():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
