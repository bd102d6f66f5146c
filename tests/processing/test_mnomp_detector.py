"""The chain with MNOMP as its detector: what it finds, what it leaves out, what it shows, and by which engine."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from isactrack import ConfigError, Detections, FmcwSensor
from isactrack.geometry import polar_to_xy
from isactrack.processing import mnomp, mnomp_detector
from isactrack.processing.chain import ChainConfig, FmcwChain
from isactrack.processing.line_detections import line_detections
from isactrack.processing.mnomp import MnompConfig, mnomp_cfar
from isactrack.processing.spectra import RangeDopplerMap, range_doppler_map, range_doppler_spectrum, range_spectrum

Cube = NDArray[np.complex64]
Echo = Callable[..., Cube]
Noise = Callable[[FmcwSensor, np.random.Generator], Cube]

PLAIN = ChainConfig(
    detector="mnomp", remove_static=False, cluster_distance_m=None, range_floor_m=0.0, azimuth_floor_rad=0.0
)


def found_by(sensor: FmcwSensor, config: ChainConfig, cube: Cube) -> Detections:
    return FmcwChain(sensor, config).process_cube(cube, 0.0).detections


# --- what it finds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["room_sensor", "tdm_sensor"])
def test_detections_are_those_of_the_lines(name: str, request: pytest.FixtureRequest, echo: Echo, noise: Noise) -> None:
    """Samples to profiles and back, and the spectrum that the chain makes on the way, change nothing."""
    sensor: FmcwSensor = request.getfixturevalue(name)
    rng = np.random.default_rng(31)
    size, speed = sensor.range_resolution_m, sensor.velocity_max_mps
    cube = noise(sensor, rng) + echo(sensor, 9.3 * size, 0.41 * speed, 0.3, 35.0)
    cube = cube + echo(sensor, 40.6 * size, -0.77 * speed, -0.5, 25.0)
    loops, n_tx, n_rx, samples = sensor.cube_shape
    lines = mnomp_cfar(cube.reshape(loops, n_tx * n_rx, samples))
    expected = line_detections(lines, sensor, 0.0, unexplained_is_noise=True)
    found = found_by(sensor, replace(PLAIN, min_range_m=0.0, min_snr_db=-30.0, min_beam_share=0.0), cube)
    assert len(found) == len(expected) == 2
    np.testing.assert_allclose(found.position_m, expected.position_m, atol=1e-4 * size)
    np.testing.assert_allclose(found.radial_velocity_mps, expected.radial_velocity_mps, atol=1e-5 * speed)
    np.testing.assert_allclose(found.covariance_m2, expected.covariance_m2, rtol=1e-2, atol=1e-9)
    np.testing.assert_allclose(found.snr_db, expected.snr_db, atol=0.01)


def test_two_targets_that_the_fft_merges_are_two(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(32)
    apart = np.array([1.2 * room_sensor.range_resolution_m, 0.6 * room_sensor.velocity_resolution_mps])
    parted = {"fft": 0, "mnomp": 0}
    for _ in range(20):
        first = rng.uniform([4.0, -2.0], [6.0, 2.0])
        phase = np.exp(2j * np.pi * rng.random()).astype(np.complex64)
        cube = echo(room_sensor, *first, 0.1, 30.0) + phase * echo(room_sensor, *(first + apart), 0.1, 30.0)
        cube = np.asarray(cube + noise(room_sensor, rng))
        for detector in parted:
            found = found_by(room_sensor, replace(PLAIN, detector=detector), cube)
            if len(found) == 2:
                place = np.stack([found.range_m, found.radial_velocity_mps], axis=1)[np.argsort(found.range_m)]
                parted[detector] += bool(np.all(np.abs(place - [first, first + apart]) < 0.25 * apart))
    assert parted["mnomp"] >= 18
    assert parted["fft"] <= 4


def test_the_covariance_grows_with_its_scale(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    cube = echo(room_sensor, 5.0, 1.3, 0.2, 25.0) + noise(room_sensor, np.random.default_rng(33))
    one, four = (found_by(room_sensor, replace(PLAIN, covariance_scale=scale), cube) for scale in (1.0, 4.0))
    np.testing.assert_allclose(four.covariance_m2, 4.0 * one.covariance_m2, rtol=1e-9)
    np.testing.assert_allclose(four.radial_velocity_std_mps, 2.0 * one.radial_velocity_std_mps, rtol=1e-9)
    np.testing.assert_array_equal(four.position_m, one.position_m)


def test_the_velocity_s_deviation_is_the_spread(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(34)
    chain = FmcwChain(room_sensor, replace(PLAIN, covariance_scale=1.0))
    ratio = []
    for _ in range(60):
        v = rng.uniform(-9.0, 9.0)
        found = chain.process_cube(echo(room_sensor, 5.0, v, 0.2, 25.0) + noise(room_sensor, rng), 0.0).detections
        ratio.append((found.radial_velocity_mps[0] - v) / found.radial_velocity_std_mps[0])
    # The mean square of 60 normal numbers is 1 +- 0.18.
    assert 0.5 < np.mean(np.square(ratio)) < 1.6


def test_a_signal_without_noise_is_one_exact_target(room_sensor: FmcwSensor, echo: Echo) -> None:
    found = found_by(room_sensor, PLAIN, echo(room_sensor, 5.2, 1.3, 0.2, 45.0))
    assert len(found) == 1
    np.testing.assert_allclose(found.position_m[0], polar_to_xy(5.2, 0.2), atol=1e-4)
    assert np.isfinite(found.covariance_m2).all()
    assert np.isfinite(found.snr_db).all()


# --- what it leaves out --------------------------------------------------------------------------------------------


def test_images_of_the_receiver_are_dropped(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    target = echo(room_sensor, 5.13, 1.5, 0.2, 70.0)
    cube = target + 10.0 ** (-43.0 / 20.0) * np.conj(target) + noise(room_sensor, np.random.default_rng(35))
    assert found_by(room_sensor, PLAIN, cube).range_m == pytest.approx(5.13, abs=0.01)
    shown = found_by(room_sensor, replace(PLAIN, image_rejection_db=60.0), cube)
    assert shown.range_m == pytest.approx([5.13, room_sensor.range_max_m - 5.13], abs=0.05)
    assert shown.radial_velocity_mps == pytest.approx([1.5, -1.5], abs=0.05)
    # At the same place a target that is no weaker than an image can be stays.
    other = echo(room_sensor, room_sensor.range_max_m - 5.13, -1.5, -0.2, 45.0)
    assert len(found_by(room_sensor, PLAIN, np.asarray(cube + other))) == 2


def test_limits(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    places = [(3.0, 0.9, -0.4), (6.0, -1.5, 0.2), (12.0, 2.4, 1.1)]
    cube = noise(room_sensor, np.random.default_rng(36))
    for (r, v, azimuth), snr_db in zip(places, (45.0, 35.0, 25.0), strict=True):
        cube = cube + echo(room_sensor, r, v, azimuth, snr_db)

    def ranges(**limits: Any) -> list[float]:
        return [round(float(r)) for r in found_by(room_sensor, replace(PLAIN, **limits), cube).range_m]

    assert ranges() == [3.0, 6.0, 12.0]
    assert ranges(min_range_m=4.5) == [6.0, 12.0]
    assert ranges(max_range_m=9.0) == [3.0, 6.0]
    assert ranges(min_snr_db=30.0) == [3.0, 6.0]
    assert ranges(max_detections=1) == [3.0]
    assert ranges(max_azimuth_rad=math.radians(15.0)) == [6.0]
    assert ranges(mnomp=MnompConfig(k_max=2)) == [3.0, 6.0]


@pytest.mark.parametrize("detector", ["fft", "mnomp"])
def test_the_field_of_view_is_that_of_either_detector(
    detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    cube = noise(room_sensor, np.random.default_rng(37))
    for r, azimuth in ((3.0, -0.9), (6.0, -0.5), (9.0, 0.5), (12.0, 0.9)):
        cube = cube + echo(room_sensor, r, 1.5, azimuth, 40.0)
    chain = ChainConfig(detector=detector, remove_static=False, max_azimuth_rad=0.7)
    assert sorted(np.round(found_by(room_sensor, chain, cube).range_m)) == [6.0, 9.0]


def test_what_a_cold_clutter_map_leaves_is_no_target(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    """The second interval of a map that knows one leaves half of a wall that has moved a little."""
    rng = np.random.default_rng(38)

    def detections(walker_db: float | None) -> list[Detections]:
        chain = FmcwChain(room_sensor, replace(PLAIN, remove_static=True))
        out = []
        for frame in range(4):
            # The phase turns by some degrees from frame to frame: a fan in the room, or a table that is touched.
            cube = echo(room_sensor, 3.4 + 2e-5 * frame, 0.0, 0.1, 60.0) + noise(room_sensor, rng)
            if walker_db is not None:
                cube = cube + echo(room_sensor, 7.0, 1.9, 0.1, walker_db)
            out.append(chain.process_cube(cube, frame * room_sensor.frame_period_s).detections)
        return out

    assert [len(found) for found in detections(None)] == [0] * 4
    assert [np.round(found.range_m).tolist() for found in detections(30.0)[1:]] == [[7.0]] * 3


def test_two_targets_that_share_a_line_and_cancel_are_left_out(
    room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    cube = echo(room_sensor, 5.0, 1.3, 0.6, 35.0) + echo(room_sensor, 5.0, 1.3, -0.6, 35.0)
    cube = np.asarray(cube + noise(room_sensor, np.random.default_rng(39)))
    kept = found_by(room_sensor, replace(PLAIN, min_beam_share=0.0), cube)
    assert len(kept) == 1
    assert len(found_by(room_sensor, replace(PLAIN, min_beam_share=0.95), cube)) == 0


# --- what it shows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["hann", "rectangular"])
def test_the_map_is_that_of_the_fft(window: str, tdm_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    cube = noise(tdm_sensor, np.random.default_rng(40)) + echo(tdm_sensor, 1.4, 0.7, 0.2, 40.0)
    config = replace(PLAIN, range_window=window, doppler_window="cosine")
    shown = FmcwChain(tdm_sensor, config).process_cube(cube.copy(), 0.0).spectrum
    expected = range_doppler_map(range_doppler_spectrum(cube, window, "cosine"), tdm_sensor)
    assert shown.power.dtype == np.float32
    np.testing.assert_allclose(shown.power, expected.power, rtol=2e-3, atol=1e-5 * float(expected.power.max()))
    np.testing.assert_array_equal(shown.velocity_axis_mps, expected.velocity_axis_mps)
    np.testing.assert_array_equal(shown.range_axis_m, expected.range_axis_m)


def test_the_map_lacks_the_clutter_too(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    """With the same window the clutter map sees the same profiles for either detector."""
    rng = np.random.default_rng(41)
    cubes = [echo(room_sensor, 3.4, 0.0, 0.1, 60.0) + noise(room_sensor, rng) for _ in range(3)]
    fft_chain, line_chain = (
        FmcwChain(room_sensor, ChainConfig(detector=detector, range_window="rectangular", doppler_window="hann"))
        for detector in ("fft", "mnomp")
    )
    shown = []
    for k, cube in enumerate(cubes):
        expected = fft_chain.process_cube(cube, 0.1 * k).spectrum
        shown.append((line_chain.process_cube(cube, 0.1 * k).spectrum, expected))
    for lazy, expected in shown:  # looked at only now: later intervals have not changed what it is made of
        scale = float(np.median(expected.power))
        np.testing.assert_allclose(lazy.power, expected.power, rtol=2e-3, atol=1e-3 * scale)


def test_the_map_is_made_once_and_only_if_somebody_looks(
    monkeypatch: pytest.MonkeyPatch, room_sensor: FmcwSensor, noise: Noise
) -> None:
    calls, plain = [], mnomp_detector._windowed_power

    def counted(*arguments: Any) -> NDArray[np.float32]:
        calls.append(1)
        return plain(*arguments)

    monkeypatch.setattr(mnomp_detector, "_windowed_power", counted)
    output = FmcwChain(room_sensor, PLAIN).process_cube(noise(room_sensor, np.random.default_rng(42)), 0.0)
    assert not calls
    first = output.spectrum.power
    output.spectrum.level_db()
    assert output.spectrum.power is first
    assert len(calls) == 1


def test_a_map_takes_its_power_or_what_makes_it() -> None:
    power, axis = np.arange(6.0, dtype=np.float32).reshape(2, 3), np.zeros(3)
    assert RangeDopplerMap(power, axis[:2], axis).power is power
    assert RangeDopplerMap(lambda: power, axis[:2], axis).power is power


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"detector": "esprit"}, "esprit"),
        ({"detector": "MNOMP"}, "MNOMP"),
        ({"covariance_scale": 0.0}, "covariance_scale"),
        ({"covariance_scale": float("nan")}, "covariance_scale"),
        ({"max_azimuth_rad": 0.0}, "max_azimuth_rad"),
        ({"max_azimuth_rad": -0.1}, "max_azimuth_rad"),
        ({"max_azimuth_rad": 1.6}, "max_azimuth_rad"),
        ({"max_azimuth_rad": float("nan")}, "max_azimuth_rad"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        ChainConfig(**settings)
    assert error.value.hint


def test_too_few_loops_are_refused_when_the_chain_is_made(room_sensor: FmcwSensor) -> None:
    with pytest.raises(ConfigError, match="1 loops") as error:
        FmcwChain(replace(room_sensor, loops_per_frame=1), PLAIN)
    assert "coherent_frames" in error.value.hint


# --- spectrum and engine -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_a_spectrum_that_is_known_changes_nothing(dtype: type, engine: Any, tdm_sensor: FmcwSensor) -> None:
    rng = np.random.default_rng(43)
    data: NDArray[Any] = (rng.standard_normal((16, 3, 32)) + 1j * rng.standard_normal((16, 3, 32))).astype(dtype)
    data += (3.0 * np.exp(1j * (0.4 * np.arange(16)[:, None, None] + 1.1 * np.arange(32)))).astype(dtype)
    spectrum = np.asarray(fft.fft2(data, axes=(0, 2)))
    expected = mnomp_cfar(data, engine=engine)
    found = mnomp_cfar(data, engine=engine, spectrum=spectrum.copy())
    assert len(found) == len(expected) >= 1
    np.testing.assert_array_equal(found.range_rad, expected.range_rad)
    np.testing.assert_array_equal(found.gain, expected.gain)
    assert found.residual_power == expected.residual_power
    wrong = [
        spectrum[:, :2].copy(),
        spectrum.astype(np.complex128 if dtype == np.complex64 else np.complex64),
        np.asfortranarray(spectrum),
        spectrum.transpose(0, 2, 1).copy(),
    ]
    for each in wrong:
        with pytest.raises(ConfigError, match="does not belong") as error:
            mnomp_cfar(data, engine=engine, spectrum=each)
        assert "FFT" in error.value.hint


def test_without_numba_the_chain_finds_the_same(
    monkeypatch: pytest.MonkeyPatch, room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    rng = np.random.default_rng(44)
    cube = echo(room_sensor, 5.0, 1.3, 0.2, 30.0) + echo(room_sensor, 9.0, -2.0, -0.4, 20.0) + noise(room_sensor, rng)
    expected = found_by(room_sensor, PLAIN, cube)
    used = []
    plain = mnomp.extract_lines

    def noted(*arguments: Any) -> Any:
        used.append(1)
        return plain(*arguments)

    monkeypatch.setattr(mnomp, "extract_lines", noted)
    monkeypatch.setattr(mnomp, "find_spec", lambda _name: None)
    found = found_by(room_sensor, PLAIN, cube)
    assert used
    assert len(found) == len(expected) == 2
    np.testing.assert_allclose(found.position_m, expected.position_m, atol=1e-4)
    np.testing.assert_allclose(found.covariance_m2, expected.covariance_m2, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 0.3, 0.5])
def test_a_ghost_between_two_range_bins_is_held_to_the_power_of_both(
    offset: float, room_sensor: FmcwSensor, echo: Echo
) -> None:
    detector = mnomp_detector.MnompDetector(room_sensor, ChainConfig(detector="mnomp", min_range_m=0.0))
    ghost = echo(room_sensor, (20.0 + offset) * room_sensor.range_resolution_m, 0.0, 0.2, 30.0)
    noise = 0.01 * np.random.default_rng(3).standard_normal((*ghost.shape, 2)).astype(np.float32)
    profiles = range_spectrum((ghost + noise.view(np.complex64)[..., 0]).astype(np.complex64), detector.range_window)
    _, shown = detector.map(profiles)
    # What a clutter map would expect of it: the power in each bin at zero Doppler, the line shared out among them.
    expected = np.mean(np.abs(profiles.mean(axis=0)) ** 2, axis=(0, 1)).astype(np.float64)
    assert len(detector.detect(profiles, shown, np.zeros_like(expected), 0.0)) == 1
    # 2.8 dB less than there is, which is within the margin of 4 dB as long as both bins count.
    assert len(detector.detect(profiles, shown, 0.52 * expected, 0.0)) == 0
    # A target 12 dB over what the map may be wrong by stays one.
    assert len(detector.detect(profiles, shown, expected / 16.0, 0.0)) == 1
