"""Blocks come out alike: delay, phase and gain found to the bound, the reference never silently another one."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import ConfigError, OfdmSensor
from isactrack.ofdm import ArrayModel, Capture
from isactrack.ofdm_waveform import gate_samples
from isactrack.processing import reference_path
from isactrack.processing.calibration_baselines import AntennaRatio, BalancedCalibration, NearestBin, NoCalibration
from isactrack.processing.channel import BlockCalibration, CalibrationStatus
from isactrack.processing.direct_path import DirectCell, fit_direct_path, resolve_direct_path
from isactrack.processing.impulse_response import DelayGrid
from isactrack.processing.ofdm_config import CALIBRATIONS, CalibrationConfig
from isactrack.processing.reference_path import (
    ACQUIRE_BLOCKS,
    CONFIRM_BLOCKS,
    DelayTrack,
    ReferencePath,
    make_calibration,
)

Channel = NDArray[np.complex128]
Room = Any
TRUSTED = (CalibrationStatus.LOCKED, CalibrationStatus.HELD)
PERIOD_S = 4e-3


def _delays(rng: np.random.Generator, blocks: int, drift_ppm: float = 1.0) -> NDArray[np.float64]:
    """Draw sampling time offsets (blocks,): 3 ns of jitter, a walk of 0.3 ns, a drift."""
    walk = np.cumsum(0.3e-9 * rng.standard_normal(blocks))
    return 20e-9 + walk + 3e-9 * rng.standard_normal(blocks) + drift_ppm * 1e-6 * PERIOD_S * np.arange(blocks)


def _run(
    calibration: ReferencePath,
    room: Room,
    delays: Iterable[float],
    channels: Callable[[int], Channel],
    **receive: float,
) -> tuple[NDArray[np.complex128], list[BlockCalibration]]:
    taken, out = [], []
    for m, delay in enumerate(delays):
        block = room.receive(channels(m), delay, **receive)
        csi, calibrated = calibration(block, m, m * PERIOD_S, room.noise_power)
        out.append(csi)
        taken.append(calibrated)
    return np.array(out), taken


def _errors(taken: list[BlockCalibration], delays: NDArray[np.float64], window_s: float) -> NDArray[np.float64]:
    """Return errors (blocks,) of the delay, turns of the window taken off."""
    error = np.array([block.delay_s for block in taken]) - delays
    return np.asarray((error + window_s / 2) % window_s - window_s / 2)


def _of(taken: list[BlockCalibration], *status: CalibrationStatus) -> NDArray[np.bool_]:
    return np.array([block.status in status for block in taken])


# --- a still room ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snr_db", [20.0, 40.0])
def test_clutter_and_delay_come_to_their_bounds(snr_db: float, radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 1, snr_db)
    delays = _delays(room.rng, 260)
    csi, taken = _run(ReferencePath(radio, CalibrationConfig()), room, delays, lambda m: room.still)
    assert [block.status for block in taken] == [CalibrationStatus.ACQUIRING] * ACQUIRE_BLOCKS + [
        CalibrationStatus.LOCKED
    ] * (260 - ACQUIRE_BLOCKS)
    left = [np.mean(np.abs(csi[m] - csi[m - 50 : m].mean(axis=0)) ** 2) for m in range(100, 260)]
    assert abs(10 * np.log10(np.mean(left) / (room.noise_power * (1 + 1 / 50)))) < 0.3
    # Cramer-Rao bound of the delay with a known channel of energy E and rms bandwidth b: noise / (2 E b^2).
    angular = 2 * np.pi * radio.tone_frequencies_hz
    energy = np.sum(np.abs(room.still) ** 2, axis=0)
    spread = np.sum(energy * angular**2) - np.sum(energy * angular) ** 2 / energy.sum()
    bound = math.sqrt(room.noise_power / (2 * spread))
    error = _errors(taken, delays, radio.delay_max_s)[60:]
    assert 0.8 * bound < error.std() < 1.25 * bound
    assert abs(error.mean()) < 30e-12  # 9 mm of path; the echo pulls the fit of a single path by more than 100 ps
    assert min(block.quality for block in taken[60:]) > 0.995


def test_delay_runs_on_past_the_window(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 2, 30.0)
    delays = _delays(room.rng, 200, drift_ppm=-2.5)  # 2 us: 13 windows of 154 ns
    _, taken = _run(ReferencePath(radio, CalibrationConfig()), room, delays, lambda m: room.still)
    found = np.array([block.delay_s for block in taken])
    assert np.abs(found - delays).max() < 0.5e-9


def test_gain_errors_are_taken_off(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 3, 30.0)
    calibration = ReferencePath(replace(radio, csi_scale=2e-3), CalibrationConfig())
    errors = room.rng.uniform(-1.0, 1.0, 120)
    levels = []
    for m in range(120):
        said = -6.0 if m >= 80 else 0.0
        block = room.receive(room.still, 1e-9, gain_db=errors[m]) * 10 ** (said / 20)
        csi, taken = calibration(block, m, m * PERIOD_S, room.noise_power * 10 ** (said / 10), said)
        levels.append(taken.gain_db)
        scale = 2e-3 * 10 ** (-(said + taken.gain_db) / 20)
        ramp = np.exp(2j * np.pi * radio.tone_frequencies_hz * taken.delay_s - 1j * taken.phase_rad)
        np.testing.assert_allclose(csi, block * scale * ramp, atol=1e-12)
    off = np.array(levels) - errors
    assert np.std(off[40:]) < 0.05
    assert abs(off[80:].mean() - off[40:80].mean()) < 0.02


def test_template_lies_on_the_absolute_axis(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 4, 30.0)
    calibration = ReferencePath(radio, CalibrationConfig())
    assert calibration.template is None
    _run(calibration, room, _delays(room.rng, 60), lambda m: room.still)
    template = calibration.template
    assert template is not None
    overlap = np.vdot(room.still, template)
    assert abs(overlap) / np.linalg.norm(room.still) / np.linalg.norm(template) > 0.9995
    calibration.reset()
    assert calibration.template is None


# --- people, shadows, jumps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [5, 21])
def test_somebody_near_the_direct_path_does_not_pull_it(seed: int, radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, seed, 30.0)
    delays = _delays(room.rng, 900)

    def channel(m: int) -> Channel:
        # Within the resolution, 14 dB weaker, 5 mm/s: one turn of the phase in 2.3 s, slower than the template.
        length = radio.direct_path_m + 0.5 + 0.005 * m * PERIOD_S
        somebody = room.path(length, radio.direct_azimuth_rad + 0.1, 0.2)
        return np.asarray(room.still + (somebody if 100 <= m < 750 else 0.0))

    _, taken = _run(ReferencePath(radio, CalibrationConfig(template_blocks=200)), room, delays, channel)
    assert _of(taken[ACQUIRE_BLOCKS:], CalibrationStatus.LOCKED).all()
    error = _errors(taken, delays, radio.delay_max_s)
    before = error[60:100].mean()
    # The fit of a single path is pulled by up to 230 ps, block by block.
    assert np.abs(error[100:750] - before).max() < 120e-12
    assert np.abs(error[750:] - before).max() < 80e-12


@pytest.mark.parametrize("rows", [8, 2])
@pytest.mark.parametrize("seed", [6, 7])
def test_shadowed_direct_path_is_held_and_never_becomes_a_wall(
    rows: int, seed: int, radio: OfdmSensor, radio_room: type[Room]
) -> None:
    sensor = replace(radio, rx_positions=radio.rx_positions[:rows])
    room = radio_room(sensor, seed, 25.0)
    wall = room.path(sensor.direct_path_m + 3.0, sensor.direct_azimuth_rad + 0.1, 0.5)
    shadow = 10 ** (-15 / 20) * np.exp(0.7j)
    delays = _delays(room.rng, 500)

    def channel(m: int) -> Channel:
        return np.asarray(room.direct * (shadow if 200 <= m < 350 else 1.0) + room.rest + wall)

    _, taken = _run(ReferencePath(sensor, CalibrationConfig()), room, delays, channel)
    error = _errors(taken, delays, sensor.delay_max_s)
    trusted = _of(taken, *TRUSTED)
    assert np.abs(error[trusted]).max() < 0.3e-9
    dark = taken[200:350]
    assert not _of(dark, CalibrationStatus.LOCKED, CalibrationStatus.ACQUIRING).any()
    if rows == 8:
        assert _of(dark, CalibrationStatus.HELD).all()
        level = np.array([block.gain_db for block in taken])
        assert np.abs(level[200:350]).max() < 0.5  # the direct path alone would say -15 dB
    assert _of(taken[352:], CalibrationStatus.LOCKED).all()
    # Before, during and after it is the same axis.
    assert abs(error[360:].mean() - error[100:200].mean()) < 20e-12


def test_nothing_but_noise_is_rejected_and_the_lock_comes_back(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 8, 20.0)
    delays = _delays(room.rng, 400)
    delays[300:] += 60e-9  # timing moved on meanwhile
    dark = range(150, 300)
    _, taken = _run(
        ReferencePath(radio, CalibrationConfig()), room, delays, lambda m: room.still * (0.0 if m in dark else 1.0)
    )
    assert _of(taken[150:300], CalibrationStatus.REJECTED).all()
    assert _of(taken[302:], CalibrationStatus.LOCKED).all()
    assert np.abs(_errors(taken, delays, radio.delay_max_s)[302:]).max() < 50e-12
    predicted = np.array([block.delay_s for block in taken[150:300]])
    assert np.abs(np.diff(predicted)).max() < 6e-9  # goes on at the drift of the clocks


@pytest.mark.parametrize("jump_s", [37e-9, -61e-9, 7.2e-9])
def test_moved_window_is_followed_at_once(jump_s: float, radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 9, 20.0)
    delays = _delays(room.rng, 200)
    delays[100:] += jump_s
    _, taken = _run(ReferencePath(radio, CalibrationConfig()), room, delays, lambda m: room.still)
    assert _of(taken[ACQUIRE_BLOCKS:], CalibrationStatus.LOCKED).all()
    found = np.array([block.delay_s for block in taken])
    assert np.abs(found - delays)[60:].max() < 0.1e-9


def test_another_delay_that_fits_worse_has_to_be_confirmed(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 10, 20.0)
    delays = np.full(160, 5e-9)
    delays[100:] += 50e-9
    somebody = room.path(radio.direct_path_m + 7.0, 0.8, 0.45)

    def channel(m: int) -> Channel:
        return np.asarray(room.still + (somebody if m >= 100 else 0.0))

    _, taken = _run(ReferencePath(radio, CalibrationConfig()), room, delays, channel)
    status = [block.status for block in taken[100:]]
    first = status.index(CalibrationStatus.LOCKED)
    assert first == CONFIRM_BLOCKS - 1
    assert set(status[:first]) == {CalibrationStatus.REJECTED}
    assert set(status[first:]) == {CalibrationStatus.LOCKED}


def test_shadow_without_anything_else_is_held_in_place(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 11, 30.0, echoes=0, near_echo=False)
    delays = _delays(room.rng, 200)
    _, taken = _run(
        ReferencePath(radio, CalibrationConfig()), room, delays, lambda m: room.still * (0.2 if 100 <= m < 150 else 1.0)
    )
    assert _of(taken[100:150], CalibrationStatus.HELD).all()
    assert np.abs([block.gain_db for block in taken[100:150]]).max() < 0.1
    assert np.abs(_errors(taken, delays, radio.delay_max_s)[60:]).max() < 0.1e-9


def test_another_room_is_learned_anew(
    radio: OfdmSensor, radio_room: type[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_path, "RESTART_BLOCKS", 60)
    room, other = radio_room(radio, 12, 20.0), radio_room(replace(radio, tx_position_m=(3.0, 1.0)), 13, 20.0)
    calibration = ReferencePath(radio, CalibrationConfig())
    _run(calibration, room, np.zeros(40), lambda m: room.still)
    status = []
    for m in range(40, 40 + 60 + ACQUIRE_BLOCKS + 5):
        _, taken = calibration(other.receive(other.still), m, m * PERIOD_S, other.noise_power)
        status.append(taken.status)
    assert set(status[:60]) == {CalibrationStatus.REJECTED}
    assert set(status[60:-5]) == {CalibrationStatus.ACQUIRING}
    assert set(status[-5:]) == {CalibrationStatus.LOCKED}


@pytest.mark.parametrize("seed", [22, 23, 24])
def test_shadow_from_the_start_is_got_over(seed: int, radio: OfdmSensor, radio_room: type[Room]) -> None:
    """Another path may be taken for the direct one, until that comes: then the axis is put right."""
    room = radio_room(radio, seed, 25.0)
    shadow = 10 ** (-15 / 20) * np.exp(0.7j)
    delays = _delays(room.rng, 420)
    wall = room.path(radio.direct_path_m + 6.0, radio.direct_azimuth_rad, 0.7)

    def channel(m: int) -> Channel:
        return np.asarray(room.direct * (shadow if m < 60 else 1.0) + room.rest + wall)

    _, taken = _run(ReferencePath(radio, CalibrationConfig(template_blocks=100)), room, delays, channel)
    assert _of(taken[300:], CalibrationStatus.LOCKED).all()
    assert np.abs(_errors(taken, delays, radio.delay_max_s)[300:]).max() < 0.4e-9


def test_bad_first_block_does_not_stay(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room, other = radio_room(radio, 14, 20.0), radio_room(radio, 15, 20.0, echoes=40)
    other.still = other.still - other.direct
    _, taken = _run(
        ReferencePath(radio, CalibrationConfig()), room, np.zeros(60), lambda m: room.still if m else other.rest
    )
    assert _of(taken[: ACQUIRE_BLOCKS + 4], CalibrationStatus.ACQUIRING).all()
    assert _of(taken[-25:], CalibrationStatus.LOCKED).all()


def test_lost_rows_are_left_out(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 16, 30.0)
    calibration = ReferencePath(radio, CalibrationConfig())
    delays = _delays(room.rng, 160)
    level, error = [], []
    for m, delay in enumerate(delays):
        block = room.receive(room.still, delay)
        if m >= 60:
            block[m % 8, : 20 + m % 40] = 0.0
            block[(m + 3) % 8] = 0.0
        csi, taken = calibration(block, m, m * PERIOD_S, room.noise_power)
        assert np.array_equal(csi == 0.0, block == 0.0)
        level.append(taken.gain_db)
        error.append(taken.delay_s - delay)
        assert m < ACQUIRE_BLOCKS or taken.status is CalibrationStatus.LOCKED
    assert np.std(error[60:]) < 5e-12
    assert np.abs(level[60:]).max() < 0.1
    template = calibration.template
    assert template is not None
    assert np.all(np.abs(template) > 0.0)


# --- other radios ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [ArrayModel.NONE, ArrayModel.BEAMSPACE])
def test_rows_without_steering_and_uneven_tones(array: ArrayModel, radio: OfdmSensor, radio_room: type[Room]) -> None:
    tones = tuple(tone for tone in radio.tones if tone not in (-612, -12, 12, 300, 588))
    where = None if array is ArrayModel.NONE else radio.tx_position_m
    sensor = replace(radio, tones=tones, array=array, tx_position_m=where)
    room = radio_room(replace(sensor, tx_position_m=radio.tx_position_m), 17, 25.0)
    mixed = np.linalg.qr(room.rng.standard_normal((8, 8)) + 1j * room.rng.standard_normal((8, 8)))[0]
    delays = _delays(room.rng, 150)
    _, taken = _run(ReferencePath(sensor, CalibrationConfig()), room, delays, lambda m: mixed @ room.still)
    assert _of(taken[ACQUIRE_BLOCKS:], CalibrationStatus.LOCKED).all()
    error = _errors(taken, delays, DelayGrid.of(sensor).window_s)[60:]
    assert error.std() < 3e-12
    if array is ArrayModel.BEAMSPACE:
        assert abs(error.mean()) < 0.2e-9


def test_block_of_another_shape_is_refused(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 18)
    calibration = ReferencePath(radio, CalibrationConfig())
    with pytest.raises(ConfigError, match="tones"):
        calibration(room.still[:, 1:], 0, 0.0)
    _, empty = calibration(np.zeros_like(room.still), 0, 0.0)
    assert (empty.status, empty.quality) == (CalibrationStatus.ACQUIRING, 0.0)
    _, first = calibration(room.still, 1, 0.0)  # noise not known
    assert (first.status, first.quality) == (CalibrationStatus.ACQUIRING, 1.0)
    with pytest.raises(ConfigError, match="rows"):
        calibration(room.still[:4], 2, 0.0)


# --- pieces ----------------------------------------------------------------------------------------------------------


def test_direct_path_is_told_from_an_echo_within_the_resolution(radio: OfdmSensor, radio_room: type[Room]) -> None:
    single, resolved = [], []
    for seed in range(12):
        room = radio_room(radio, 100 + seed, 35.0)
        grid = DelayGrid.of(radio)
        cell = DirectCell.of(radio, radio.n_rx, grid.angular)
        assert cell is not None
        block = room.receive(room.still)
        found, _ = fit_direct_path(block, cell, grid)
        single.append(found - cell.delay_s)
        resolved.append(resolve_direct_path(block, cell, grid, found, room.noise_power) - cell.delay_s)
    assert np.sqrt(np.mean(np.square(single))) > 150e-12
    assert np.abs(resolved).max() < 40e-12


def test_direct_path_before_a_stronger_wall(radio: OfdmSensor, radio_room: type[Room]) -> None:
    room = radio_room(radio, 19, 30.0, echoes=0, near_echo=False)
    wall = room.path(radio.direct_path_m + 4.0, radio.direct_azimuth_rad, 1.8)
    grid = DelayGrid.of(radio)
    cell = DirectCell.of(radio, radio.n_rx, grid.angular)
    assert cell is not None
    found, gain = fit_direct_path(room.receive(room.still + wall, phase_rad=0.0), cell, grid)
    assert found == pytest.approx(cell.delay_s, abs=0.5e-9)
    assert abs(gain) == pytest.approx(1.0, abs=0.2)


def test_track_predicts_a_line() -> None:
    track = DelayTrack(154e-9)
    assert track.predict(7) == 0.0
    for counter in (0, 1, 2, 4, 5, 9):
        measured = (30e-9 + 11e-9 * counter) % 154e-9
        track.update(track.continued(measured, track.predict(counter)), counter)
    assert track.predict(12) == pytest.approx(30e-9 + 11e-9 * 12, rel=1e-9)
    track.jump(500e-9, 12)
    assert track.predict(13) == pytest.approx(511e-9, rel=1e-9)


def test_settings_choose_the_calibration(radio: OfdmSensor) -> None:
    kinds = {"reference": ReferencePath, "nearest-bin": NearestBin, "antenna-ratio": AntennaRatio, "off": NoCalibration}
    assert set(kinds) == set(CALIBRATIONS)
    for method, kind in kinds.items():
        assert isinstance(make_calibration(radio, CalibrationConfig(method=method, balance_iq=False)), kind)
        balanced = make_calibration(radio, CalibrationConfig(method=method))
        if method == "off":
            assert isinstance(balanced, NoCalibration)
        else:
            assert isinstance(balanced, BalancedCalibration)
            assert isinstance(balanced.calibration, kind)
    samples = replace(radio, capture=Capture.IQ, gate_samples=gate_samples(2048, 512))
    assert isinstance(make_calibration(samples, CalibrationConfig()), ReferencePath)


def test_what_baselines_leave(radio: OfdmSensor, radio_room: type[Room]) -> None:
    left = {}
    for method in ("reference", "nearest-bin", "antenna-ratio", "off"):
        room = radio_room(radio, 20, 30.0)
        calibration = make_calibration(radio, CalibrationConfig(method=method, balance_iq=False))
        csi = []
        for m, delay in enumerate(_delays(room.rng, 160)):
            block = room.receive(room.still, delay)
            calibrated, taken = calibration(block, m, m * PERIOD_S, room.noise_power)
            csi.append(calibrated)
            assert 0.0 <= taken.quality <= 1.0
        moved = np.array(csi[100:]) - np.array([np.mean(csi[m - 50 : m], axis=0) for m in range(100, 160)])
        left[method] = 10 * np.log10(np.mean(np.abs(moved) ** 2) / np.mean(np.abs(csi[100:]) ** 2))
        calibration.reset()
    assert left["reference"] == pytest.approx(-30.0, abs=0.3)
    assert -21.0 < left["nearest-bin"] < -14.0
    assert left["off"] > -1.0
    assert left["antenna-ratio"] > left["reference"] + 3.0


# --- real captures ---------------------------------------------------------------------------------------------------

_PILOTS = (11, 39, 75, 103)


def test_wifi_packets_become_alike(recordings_dir: Path) -> None:
    csiread = pytest.importorskip("csiread")
    packets = csiread.Nexmon(
        str(recordings_dir / "csi-ubilocate" / "traces_test_rawperf_trace4.pcap"), chip="4366c0", bw=80, if_report=False
    )
    packets.read()
    tones = tuple(k for k in range(-122, 123) if abs(k) > 1 and abs(k) not in _PILOTS)
    code = packets.spatial.astype(int) * 8 + packets.core.astype(int)
    blocks = []
    for sequence in dict.fromkeys(packets.seq.tolist()):
        rows = np.flatnonzero(packets.seq == sequence)
        if sorted(code[rows]) == list(range(16)):
            blocks.append(packets.csi[rows[np.argsort(code[rows])]][:, np.asarray(tones) % 256])
    assert len(blocks) > 90
    sensor = OfdmSensor(
        model="bcm4366c0", carrier_frequency_hz=5.5e9, subcarrier_spacing_hz=312.5e3, tones=tones, frame_period_s=8e-3,
        rx_positions=(0.0,) * 16, array=ArrayModel.NONE, fft_size=256, cyclic_prefix_samples=64,
    )  # fmt: skip
    calibration = ReferencePath(sensor, CalibrationConfig())
    done = [calibration(block, m, 8e-3 * m) for m, block in enumerate(blocks)]

    def correlation(values: list[Channel], index: NDArray[np.intp]) -> float:
        unit = [value / np.linalg.norm(value) for value in values]
        return float(np.mean([abs(np.vdot(unit[5], unit[k])) for k in index if k != 5]))

    trusted = np.flatnonzero([taken.status in TRUSTED for _, taken in done])
    assert len(trusted) > 60
    assert correlation(blocks, trusted) < 0.5
    assert correlation([csi for csi, _ in done], trusted) >= 0.97
    assert 10e-9 < np.std([done[k][1].delay_s for k in trusted]) < 40e-9


@pytest.mark.parametrize("room", ["er", "ht1"])
def test_direct_path_of_a_28_ghz_room(room: str, recordings_dir: Path) -> None:
    from scipy.io import loadmat

    measured = loadmat(recordings_dir / "csi-28ghz" / f"sm_sub10_{room}.mat")["MeasData"][0, 0]["S21"]
    searches = measured.reshape(501, 7, 121).transpose(1, 2, 0)
    sensor = OfdmSensor(
        model="vna", carrier_frequency_hz=28e9, subcarrier_spacing_hz=2e6, tones=tuple(range(-250, 251)),
        frame_period_s=1.0, rx_positions=(0.0,) * 121, array=ArrayModel.BEAMSPACE, tx_position_m=(0.0, 5.0),
        fft_size=1024,
    )  # fmt: skip
    grid = DelayGrid.of(sensor)
    cell = DirectCell.of(sensor, 121, grid.angular)
    assert cell is not None
    found = np.array([fit_direct_path(search, cell, grid)[0] for search in searches])
    assert np.abs(found - 76.8e-9).max() < 0.3e-9
