"""Real captures: see the fixture `recordings_dir`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isactrack import FmcwSensor, Frame, IqOrder
from isactrack.processing.azimuth import bartlett_azimuth, correct_tdm_phase
from isactrack.processing.chain import ChainConfig, ChainOutput, FmcwChain
from isactrack.processing.report import ReturnReport, return_report
from isactrack.processing.spectra import antenna_power, range_doppler_spectrum

VIBRATION = FmcwSensor(
    model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=621 * 48.2798e9, idle_time_s=100e-6, adc_start_s=6e-6,
    ramp_end_s=130e-6, sample_rate_hz=10e6, samples_per_chirp=256, loops_per_frame=1, frame_period_s=1e-3,
)  # fmt: skip


def _take(folder: Path, name: str, iq_order: IqOrder = IqOrder.IIQQ) -> tuple[FmcwChain, ChainOutput, ReturnReport]:
    path = folder / "awr1642-vibration" / f"{name}.bin"
    words = np.fromfile(path, dtype="<i2").astype(np.int16, copy=False).reshape(1000, -1)
    sensor = replace(VIBRATION, iq_order=iq_order)
    chain = FmcwChain(sensor, ChainConfig(remove_static=False, coherent_frames=1000, max_range_m=6.0))
    valid = np.ones(words.shape[1] // 4, dtype=np.bool_)
    outputs = [chain(Frame(row, valid, k, k * 1e-3, 0, 0)) for k, row in enumerate(words)]
    assert outputs[:-1] == [None] * 999
    output = outputs[-1]
    assert output is not None
    report = return_report(output.spectrum, chain.sensor)
    assert report is not None
    return chain, output, report


def _line_db(report: ReturnReport, frequency_hz: float) -> float:
    return max(
        (line.level_db for line in report.lines if abs(abs(line.frequency_hz) - frequency_hz) < 1.5), default=-np.inf
    )


@pytest.mark.parametrize("name", ["fan-on", "fan-off", "pipe-vibration-0", "pipe-no-vibration-0"])
def test_still_return_and_its_image(name: str, recordings_dir: Path) -> None:
    _, output, report = _take(recordings_dir, name)
    assert 1.95 < report.range_m < 2.16
    assert report.range_bin in (10, 11)
    assert 46.0 < report.level_db < 53.0
    assert report.image_level_db < -40.0
    strongest = output.detections
    assert 1.95 < strongest.range_m[0] < 2.16
    assert abs(strongest.radial_velocity_mps[0]) < 1e-3
    assert output.time_s == pytest.approx(0.5)


def test_fan(recordings_dir: Path) -> None:
    report = _take(recordings_dir, "fan-on")[2]
    assert _line_db(report, 64.0) > 25.0
    assert _line_db(report, 128.0) > 25.0
    assert all(abs(line.frequency_hz) >= 15.0 for line in report.lines)
    line = report.lines[0]
    assert line.velocity_mps == pytest.approx(line.frequency_hz * VIBRATION.wavelength_m / 2.0)
    quiet = _take(recordings_dir, "fan-off")[2]
    assert quiet.lines[0].level_db < 12.0


def test_pipe(recordings_dir: Path) -> None:
    report = _take(recordings_dir, "pipe-vibration-0")[2]
    assert [_line_db(report, f) > 12.0 for f in (158.0, 316.0, 474.0)] == [True] * 3
    assert _line_db(report, 158.0) > 24.0
    assert _take(recordings_dir, "pipe-no-vibration-0")[2].lines[0].level_db < 12.0


def test_wrong_iq_order_mirrors_the_range(recordings_dir: Path) -> None:
    report = _take(recordings_dir, "fan-on", IqOrder.QQII)[2]
    assert report.range_bin in (245, 246)
    assert report.image_level_db < -40.0


def test_moving_target_of_a_tdm_radar(recordings_dir: Path, tdm_sensor: FmcwSensor) -> None:
    words = np.load(recordings_dir / "xwr-tdm-mimo" / "doppler_example_1.npy")
    parts = [part.astype(np.uint16).view(np.int16) for part in (words.real, words.imag)]
    cube = (parts[0] + 1j * parts[1]).astype(np.complex64).reshape(tdm_sensor.cube_shape)
    found = FmcwChain(tdm_sensor, ChainConfig(cluster_distance_m=None)).process_cube(cube, 0.0).detections
    assert found.radial_velocity_mps[0] / tdm_sensor.velocity_resolution_mps == pytest.approx(7.0, abs=0.5)
    assert found.range_m[0] / tdm_sensor.range_resolution_m == pytest.approx(60.0, abs=0.5)
    assert found.snr_db[0] > 40.0

    snapshot = range_doppler_spectrum(cube)[64 + 7, :, :, 60][None]
    focus = [
        bartlett_azimuth(correct_tdm_phase(snapshot, tdm_sensor, np.array([d])), tdm_sensor).power[0]
        for d in (-7.0, 0.0, 7.0)
    ]
    assert focus[2] > focus[1] > focus[0]


def test_object_of_ti_reference_data(recordings_dir: Path) -> None:
    """The file holds TI's own range FFT of the samples, which settles their order: real part first."""
    words = np.fromfile(recordings_dir / "ti-reference" / "radarDemo_captured_test.bin", dtype="<i2")
    half = words[:128] / 32768.0
    window = np.concatenate([half, half[::-1]])
    antenna = words[128 + 32 :][: 4 * (32 * 1024 + 8192)].reshape(4, -1)
    chirps = antenna[:, : 32 * 1024].reshape(4, 32, 2, 256, 2).astype(np.float32)
    data = (chirps[..., 0] + 1j * chirps[..., 1]).astype(np.complex64)
    samples, ti_fft = data[:, :, 0], data[:, :, 1]
    ours = np.fft.fft(samples * window)
    match = np.abs(np.vdot(ours, ti_fft)) / np.linalg.norm(ours) / np.linalg.norm(ti_fft)
    assert match > 0.9999

    cube = samples.transpose(1, 0, 2)[:, None]
    power = antenna_power(range_doppler_spectrum(cube))
    assert int(np.argmax(power)) == 16 * 256 + 13
