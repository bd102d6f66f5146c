"""What a simulated radio makes of the channel, each impairment by itself against what was asked for."""

import math
from dataclasses import replace

import numpy as np
import pytest

from isactrack import BlockFlag, BlockInfo, Capture, ConfigError, OfdmSensor
from isactrack.drivers.simulated.bistatic.impairments import (
    PRESETS,
    Impairments,
    SignalFault,
    SignalFaultKind,
    shadow_amplitude,
)
from isactrack.drivers.simulated.bistatic.source import BATCH_BLOCKS, FULL_SCALE, RadioSource
from isactrack.drivers.simulated.rooms import ROOMS
from isactrack.drivers.simulated.scene import Scene, make_scene
from isactrack.geometry import Pose
from isactrack.ofdm_waveform import GATE_MARGIN, active_subcarriers, gate_samples, reference_symbols

SENSOR = OfdmSensor(
    model="test",
    carrier_frequency_hz=26e9,
    subcarrier_spacing_hz=270e3,
    tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3,
    rx_positions=tuple(0.5 * p for p in range(8)),
    tx_position_m=(3.6, 2.4),
    csi_scale=1e-6,
)
IQ = replace(SENSOR, capture=Capture.IQ, gate_samples=gate_samples(2048, 512))
QUIET = Impairments(snr_db=90.0, adc_bits=16)
"""No noise but that of rounding."""
LAB = ROOMS["lab"]


def source(
    radio: Impairments = QUIET, scene: Scene | None = None, sensor: OfdmSensor = SENSOR, **changes: object
) -> RadioSource:
    scene = scene or Scene("void")
    options: dict[str, object] = {"pose": scene.room.receiver if scene.room else Pose(), "seed": 1}
    return RadioSource(scene, sensor, impairments=radio, **(options | changes))  # type: ignore[arg-type]


def channels(made: RadioSource, blocks: int, sensor: OfdmSensor = SENSOR) -> tuple[np.ndarray, list[BlockInfo]]:
    """Channel estimates (blocks, rows, tones) as the contract has them, the gain that is said taken off."""
    infos, rows = [], []
    for counter in range(blocks):
        words, info = made.make(counter)
        parts = words.astype(np.float64).reshape(sensor.word_shape)
        rows.append((parts @ [1.0, 1.0j])[0] * sensor.csi_scale * 10.0 ** (-info.gain_db / 20.0))
        infos.append(info)
    return np.array(rows), infos


def ideal(made: RadioSource, blocks: int) -> np.ndarray:
    return made.channel.csi([made.reference_s(counter) for counter in range(blocks)])


def delays(csi: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Delays of blocks against clean ones, least squares over the phases of the tones; not more than half a wrap."""
    turned = np.sum(csi * np.conj(clean), axis=1)
    coarse = -np.angle(np.sum(turned[:, 1:] * np.conj(turned[:, :-1]), axis=1)) / (2.0 * np.pi * 6.48e6)
    tones = SENSOR.tone_frequencies_hz
    aligned = turned * np.exp(2j * np.pi * tones * coarse[:, None])
    left = np.angle(aligned * np.conj(aligned.sum(axis=1, keepdims=True)))  # far from where phases wrap
    return np.asarray(coarse - (left - left.mean(axis=1, keepdims=True)) @ tones / (tones @ tones) / (2.0 * np.pi))


def power_db(left: np.ndarray, whole: np.ndarray) -> float:
    return 10.0 * math.log10(float(np.mean(np.abs(left) ** 2) / np.mean(np.abs(whole) ** 2)))


# --- noise, gain, converter ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snr_db", [20.0, 40.0])
def test_noise_is_as_strong_as_asked_for_and_as_the_radio_says(snr_db: float) -> None:
    made = source(replace(PRESETS["none"], snr_db=snr_db), make_scene("lab-empty", 3))
    csi, infos = channels(made, 60)
    noise = csi - ideal(made, 60)
    assert 10.0 * math.log10(np.mean(np.abs(noise) ** 2)) == pytest.approx(
        20.0 * math.log10(made.channel.direct_amplitude) - snr_db, abs=0.15
    )
    counts = np.mean(np.abs(noise) ** 2) / SENSOR.csi_scale**2 * 10.0 ** (infos[0].gain_db / 10.0)
    said = [info.noise_power for info in infos]
    assert np.mean(said) == pytest.approx(counts, rel=0.03)
    assert 0.01 < np.std(said) / np.mean(said) < 0.05
    rows = noise.transpose(1, 0, 2).reshape(8, -1)
    coherence = np.corrcoef(rows) - np.eye(8)
    assert np.abs(coherence).max() < 0.08


def test_a_coarse_converter_adds_the_noise_of_its_steps() -> None:
    made = source(Impairments(snr_db=90.0, adc_bits=8))
    csi, infos = channels(made, 40)
    expected = 256.0**2 / 6.0 * active_subcarriers(SENSOR).size / 2048
    noise = np.abs(csi - ideal(made, 40)) ** 2 / SENSOR.csi_scale**2 * 10.0 ** (infos[0].gain_db / 10.0)
    assert np.mean(noise) == pytest.approx(expected, rel=0.05)
    assert infos[0].noise_power == pytest.approx(expected, rel=0.15)


def test_the_gain_puts_the_direct_path_below_full_scale_by_what_is_asked_for() -> None:
    for level_db in (12.0, 9.0):
        made = source(replace(QUIET, level_db=level_db))
        words, _ = made.make(0)
        level = np.abs(words.astype(np.float64).reshape(-1, 2) @ [1.0, 1.0j]).mean()
        assert 20.0 * math.log10(FULL_SCALE / level) == pytest.approx(level_db, abs=0.5)


@pytest.mark.parametrize("sensor", [SENSOR, IQ])
def test_clipped_samples_are_counted_exactly(sensor: OfdmSensor) -> None:
    scene = make_scene("lab-empty", 3)
    loud = source(replace(QUIET, level_db=-2.0 if sensor is SENSOR else 4.0), scene, sensor)
    words, info = loud.make(0)
    clipped = (np.abs(words.reshape(-1, 2).astype(int)) == FULL_SCALE).any(axis=1)
    assert 10 < clipped.sum() < clipped.size
    assert info.clipped == clipped.sum()
    assert info.flags & BlockFlag.SATURATED
    words, info = source(QUIET, scene, sensor).make(0)
    assert (info.clipped, info.flags) == (0, BlockFlag(0))


def test_gain_control_changes_the_gain_says_so_and_leaves_the_channel() -> None:
    made = source(replace(QUIET, agc_step_db=3.0, agc_period_s=0.1))
    csi, infos = channels(made, 60)
    assert [k for k, info in enumerate(infos) if info.flags & BlockFlag.GAIN_CHANGED] == [25, 50]
    assert [infos[k].gain_db - infos[0].gain_db for k in (24, 25, 49, 50)] == [0.0, -3.0, -3.0, 0.0]
    assert power_db(csi - ideal(made, 60), csi) < -60.0


def test_an_error_of_the_gain_belongs_to_the_setting() -> None:
    made = source(replace(QUIET, agc_step_db=3.0, agc_period_s=0.1, gain_error_db=0.5))
    csi, _ = channels(made, 60)
    level = 10.0 * np.log10(np.mean(np.abs(csi / ideal(made, 60)) ** 2, axis=(1, 2)))
    settings = level[:25].mean(), level[25:50].mean(), level[50:].mean()
    assert np.ptp(level[:25]) < 0.01
    assert settings[2] == pytest.approx(settings[0], abs=0.01)
    assert abs(settings[1] - settings[0]) > 0.05
    assert max(map(abs, settings)) < 2.0


# --- clocks and oscillators ------------------------------------------------------------------------------------------


def test_a_drifting_clock_moves_the_delay_and_the_window_by_what_is_said() -> None:
    made = source(replace(QUIET, clock_drift_ppm=0.5))
    csi, infos = channels(made, 200)
    moved = np.array([info.timing_samples for info in infos])
    late = delays(csi, ideal(made, 200))
    assert late == pytest.approx([made.timing_error_s(k) for k in range(200)], abs=2e-12)
    # 0.5 ppm is 2 ns a block, and what is seen and what the window was moved by are all of it.
    assert late + moved / SENSOR.sample_rate_hz == pytest.approx(2e-9 * np.arange(200), abs=2e-12)
    assert set(np.diff(moved)) == {0.0, 4.0}
    assert np.abs(late).max() < 2.01 / SENSOR.sample_rate_hz
    assert infos[100].tick == round(0.4 * SENSOR.sample_rate_hz) + moved[100]


def test_jitter_and_walk_of_the_sampling_time_are_as_large_as_asked_for() -> None:
    made = source(replace(QUIET, timing_jitter_s=2e-9))
    late = delays(channels(made, 300)[0], ideal(made, 300))
    assert np.std(late) == pytest.approx(2e-9, rel=0.12)
    assert abs(np.mean(late[1:] * late[:-1])) < 0.2 * 4e-18
    walked = source(replace(QUIET, timing_walk_s=0.2e-9, retiming_samples=10_000))
    late = delays(channels(walked, 300)[0], ideal(walked, 300))
    assert late[0] == pytest.approx(0.0, abs=2e-12)
    assert np.std(np.diff(late)) == pytest.approx(0.2e-9, rel=0.12)


def test_the_phase_is_another_one_in_each_block_or_turns_with_the_residual_offset() -> None:
    made = source(replace(QUIET, random_phase=True))
    phases = np.angle(np.sum(channels(made, 300)[0] * np.conj(ideal(made, 300)), axis=(1, 2)))
    assert abs(np.exp(1j * phases).mean()) < 0.15
    assert abs(np.exp(2j * phases).mean()) < 0.15
    made = source(replace(QUIET, cfo_hz=1e4, residual_hz=20.0))
    csi, infos = channels(made, 20)
    turned = np.sum(csi * np.conj(ideal(made, 20)), axis=(1, 2))
    left_hz = np.angle(turned[1:] * np.conj(turned[:-1])) / (2.0 * math.pi * 4e-3)
    assert left_hz == pytest.approx(1e4 - infos[0].cfo_hz, abs=1e-2)
    assert 1.0 < abs(left_hz[0]) < 80.0


def test_staggered_blocks_are_seen_when_they_are_sent() -> None:
    sensor = replace(SENSOR, stagger_s=(0.0, 1e-3, 0.3e-3))
    made = source(QUIET, make_scene("lab-walk", 1001), sensor, start_s=2.0)
    csi, infos = channels(made, 9, sensor)
    times = 4e-3 * np.arange(9) + np.tile([0.0, 1e-3, 0.3e-3], 3)
    assert [info.tick / sensor.sample_rate_hz for info in infos] == pytest.approx(times, abs=1e-9)
    assert power_db(csi - made.channel.csi(times), csi) < -60.0
    assert made.truth(4).time_s == pytest.approx(times[4])
    expected = make_scene("lab-walk", 1001).truth(2.0 + times[4])
    assert LAB.receiver.to_room(made.truth(4).position_m) == pytest.approx(expected.position_m)


def test_phase_noise_adds_its_power_between_tones_and_is_that_of_all_rows() -> None:
    made = source(replace(QUIET, phase_noise_db=-35.0))
    csi, clean = channels(made, 100)[0], ideal(made, 100)
    assert power_db(csi - clean, clean) == pytest.approx(-35.0, abs=0.3)
    factor = csi / clean
    assert factor == pytest.approx(np.broadcast_to(factor[:, :1], factor.shape), abs=1e-3)


def test_the_image_of_each_tone_lies_at_its_mirror_and_turns_with_the_block() -> None:
    made = source(replace(QUIET, image_db=-30.0, random_phase=True), make_scene("lab-empty", 5))
    csi, clean = channels(made, 40)[0], ideal(made, 40)
    turn = np.exp(1j * np.angle(np.sum(csi * np.conj(clean), axis=(1, 2), keepdims=True)))
    symbols = reference_symbols(SENSOR)
    shape = np.conj((turn * clean)[:, :, ::-1]) * np.conj(symbols[::-1]) / symbols
    left = csi - turn * clean
    size = np.sum(left * np.conj(shape), axis=(0, 2)) / np.sum(np.abs(shape) ** 2, axis=(0, 2))
    assert 20.0 * np.log10(np.abs(size)) == pytest.approx(-30.0, abs=3.0)
    assert np.ptp(np.angle(size)) > 0.5  # each receiver has its own
    assert power_db(left - size[:, None] * shape, left) < -25.0


def test_rows_keep_what_calibration_left_of_their_errors() -> None:
    made = source(replace(QUIET, row_phase_rad=0.05, row_gain_db=0.2), seed=4)
    csi, clean = channels(made, 3)[0], ideal(made, 3)
    error = np.mean(csi / clean, axis=(0, 2))
    assert 0.01 < np.std(np.angle(error)) < 0.12
    assert 0.05 < np.std(20.0 * np.log10(np.abs(error))) < 0.5
    assert csi == pytest.approx(clean * error[:, None], abs=1e-3 * made.channel.direct_amplitude)


# --- faults of the signal --------------------------------------------------------------------------------------------


def test_a_planned_shadow_takes_the_direct_path_smoothly_and_gives_it_back() -> None:
    plan = [SignalFault(SignalFaultKind.SHADOW, 0.4, 0.9)]
    times = np.arange(300) * 4e-3
    loss_db = -20.0 * np.log10(shadow_amplitude(plan, np.asarray(times, dtype=np.float64)))
    assert loss_db[(times < 0.4) | (times > 0.9)] == pytest.approx(0.0)
    assert loss_db[(times > 0.501) & (times < 0.799)] == pytest.approx(15.0)
    assert np.abs(np.diff(loss_db)).max() < 1.0
    made = source(QUIET, make_scene("lab-empty", 2), plan=plan)
    csi, infos = channels(made, 200)
    lost = ideal(made, 200) - csi
    direct = made.channel.direct_amplitude
    assert np.abs(lost[160]).mean() == pytest.approx((1.0 - 10.0 ** (-15.0 / 20.0)) * direct, rel=1e-2)
    assert np.abs(lost[50]).mean() < 1e-3 * direct
    assert not any(info.flags for info in infos)


def test_planned_steps_and_errors_of_the_gain() -> None:
    plan = [SignalFault(SignalFaultKind.GAIN_STEP, 0.1, 0.2), SignalFault(SignalFaultKind.GAIN_ERROR, 0.3)]
    made = source(QUIET, plan=plan)
    csi, infos = channels(made, 90)
    assert [k for k, info in enumerate(infos) if info.flags & BlockFlag.GAIN_CHANGED] == [25, 50]
    assert infos[30].gain_db == infos[0].gain_db - 6.0
    level = 10.0 * np.log10(np.mean(np.abs(csi / ideal(made, 90)) ** 2, axis=(1, 2)))
    assert level[:75] == pytest.approx(0.0, abs=0.01)
    assert level[75:] == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("sensor", [SENSOR, IQ])
def test_without_lock_the_block_says_so_and_its_channel_means_nothing(sensor: OfdmSensor) -> None:
    made = source(replace(QUIET, random_phase=True), make_scene("lab-empty", 2), sensor)
    good, _ = made.make(3)
    bad, info = made.make(3, lo_locked=False)
    assert info.flags & BlockFlag.LO_UNLOCKED
    one, other = (words.astype(np.float64).reshape(-1, 2) @ [1.0, 1.0j] for words in (good, bad))
    assert abs(np.vdot(one, other)) / np.linalg.norm(one) / np.linalg.norm(other) < 0.85


# --- reproducible ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sensor", [SENSOR, IQ])
def test_a_block_is_the_same_whatever_was_made_before_it(sensor: OfdmSensor) -> None:
    scene, radio = make_scene("office-crossing", 1001), PRESETS["harsh"]
    order = [0, 3, BATCH_BLOCKS - 1, BATCH_BLOCKS, 3 * BATCH_BLOCKS + 1]
    forth, back = source(radio, scene, sensor), source(radio, scene, sensor)
    one = {k: forth.make(k) for k in order}
    other = {k: back.make(k) for k in reversed(order)}
    for k in order:
        assert np.array_equal(one[k][0], other[k][0])
        assert repr(one[k][1]) == repr(other[k][1])
    assert one[0][0].shape == (sensor.frame_words,)
    assert one[0][0].dtype == np.int16
    assert not np.array_equal(source(radio, scene, sensor, seed=2).make(3)[0], one[3][0])


def test_the_truth_is_where_the_scatterers_are() -> None:
    scene = make_scene("office-crossing3", 1002)
    made = source(PRESETS["none"], scene)
    seen = scene.seen_from(ROOMS["office"].receiver)
    for counter in (0, 500, 1200):
        truth = made.truth(counter)
        centroid = seen.moving(made.reference_s(counter)).position_m.reshape(3, -1, 2).mean(axis=1)
        assert truth.position_m == pytest.approx(centroid, abs=0.2)
        assert list(truth.target_id) == [1, 2, 3]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_blocks_that_look_like_the_channel(name: str) -> None:
    made = source(PRESETS[name], make_scene("lab-crossing", 1001))
    csi, infos = channels(made, 40)
    clean = ideal(made, 40)
    late, turn = delays(csi, clean), SENSOR.tone_frequencies_hz
    aligned = csi * np.exp(2j * np.pi * turn * late[:, None, None])
    scores = np.abs(np.sum(aligned * np.conj(clean), axis=(1, 2)))
    scores /= np.linalg.norm(csi, axis=(1, 2)) * np.linalg.norm(clean, axis=(1, 2))
    assert scores.min() > {"none": 0.999, "typical": 0.998, "harsh": 0.98}[name]
    assert all(math.isfinite(info.temperature_c) for info in infos)


def test_a_converter_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="17 bits"):
        Impairments(adc_bits=17)


# --- samples ---------------------------------------------------------------------------------------------------------


def estimate(words: np.ndarray, cfo_hz: float = 0.0, shift: int = 0) -> np.ndarray:
    """Least-squares channel (rows, tones) in counts of the reference symbol of a gate."""
    samples = words.astype(np.float64).reshape(8, -1, 2) @ [1.0, 1.0j]
    n = np.arange(samples.shape[1])
    samples = samples * np.exp(-2j * np.pi * cfo_hz * n / IQ.sample_rate_hz)
    first = GATE_MARGIN + 2560 + 512 + shift
    tones = np.fft.fft(samples[:, first : first + 2048])[:, np.asarray(IQ.tones)]
    return tones / reference_symbols(IQ) * math.sqrt(active_subcarriers(IQ).size) / 2048


def test_samples_hold_the_channel_that_estimates_hold() -> None:
    scene = make_scene("lab-walk", 1001)
    sampled, estimated = (source(QUIET, scene, sensor, start_s=2.0) for sensor in (IQ, SENSOR))
    one = estimate(sampled.make(5)[0])
    other = estimated.make(5)[0].astype(np.float64).reshape(8, 76, 2) @ [1.0, 1.0j]
    assert power_db(one - other, other) < -60.0


def test_the_noise_of_samples_is_that_of_estimates() -> None:
    made = source(replace(PRESETS["none"], snr_db=25.0), sensor=IQ)
    clean = source(QUIET, sensor=IQ)
    left = np.array([estimate(made.make(k)[0]) - estimate(clean.make(k)[0]) for k in range(4)])
    assert power_db(left, estimate(clean.make(0)[0])) == pytest.approx(-25.0, abs=0.3)


@pytest.mark.parametrize("cfo_hz", [20e3, 160e3])
def test_the_carrier_offset_turns_the_samples(cfo_hz: float) -> None:
    made, still = (source(replace(QUIET, cfo_hz=value), sensor=IQ) for value in (cfo_hz, 0.0))
    words, info = made.make(2)
    right, plain = estimate(words, cfo_hz), estimate(still.make(2)[0])
    turn = np.sum(right * np.conj(plain)) / np.sum(np.abs(plain) ** 2)
    assert abs(turn) == pytest.approx(1.0, abs=1e-3)
    assert power_db(right - turn * plain, plain) < -55.0
    assert power_db(estimate(words) - plain, plain) > -3.0
    assert info.cfo_hz == 0.0


def test_a_late_symbol_is_shifted_by_whole_samples_and_the_rest_by_phases() -> None:
    made = source(replace(QUIET, timing_walk_s=10e-9, retiming_samples=100_000), sensor=IQ)
    plain = estimate(source(QUIET, sensor=IQ).make(0)[0])
    for counter in (1, 2, 3):
        late = made.timing_error_s(counter)
        assert abs(late) > 1.0 / IQ.sample_rate_hz
        found = delays(estimate(made.make(counter)[0])[None], plain[None])
        assert found == pytest.approx([late], abs=5e-12)


def test_a_wiener_process_leaves_the_power_that_is_asked_for() -> None:
    made, clean = source(replace(QUIET, phase_noise_db=-30.0), sensor=IQ), source(QUIET, sensor=IQ)
    plain = estimate(clean.make(0)[0])
    left = []
    for counter in range(40):
        found = estimate(made.make(counter)[0])
        common = np.sum(found * np.conj(plain)) / np.sum(np.abs(plain) ** 2)
        left.append(np.mean(np.abs(found / common - plain) ** 2) / np.mean(np.abs(plain) ** 2))
    assert 10.0 * math.log10(np.mean(left)) == pytest.approx(-30.0, abs=1.5)


def test_the_image_of_samples_is_their_conjugate() -> None:
    made, clean = source(replace(QUIET, image_db=-25.0), sensor=IQ), source(QUIET, sensor=IQ)
    one, other = (m.make(0)[0].astype(np.float64).reshape(8, -1, 2) @ [1.0, 1.0j] for m in (made, clean))
    size = np.sum((one - other) * other, axis=1) / np.sum(np.abs(other) ** 2, axis=1)
    assert 20.0 * np.log10(np.abs(size)) == pytest.approx(-25.0, abs=3.0)
    assert power_db(one - other - size[:, None] * np.conj(other), one - other) < -25.0
