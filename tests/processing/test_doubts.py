"""Points that may be nobody are marked, people are not, and each doubt has its own reason."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import ConfigError
from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import paths_of
from isactrack.processing.channel import Paths
from isactrack.processing.doubts import Doubts, StillEcho, behind, outshone, straightness
from isactrack.processing.ofdm_config import DoubtConfig
from isactrack.units import SPEED_OF_LIGHT_MPS

T = 25
TX = (4.0, 3.0)
SENSOR = OfdmSensor(
    model="radio",
    carrier_frequency_hz=26e9,
    subcarrier_spacing_hz=270e3,
    fft_size=2048,
    cyclic_prefix_samples=512,
    tones=tuple(range(-900, 901, 24)),
    rx_positions=tuple(0.5 * p for p in range(8)),
    frame_period_s=4e-3,
    csi_scale=1e-6,
    tx_position_m=TX,
)
NOISE = 1e-6


def steering(path_m: float, azimuth_rad: float) -> np.ndarray:
    """Channel (rows, tones) of one path of amplitude 1, by the convention of the sensor frame."""
    tones = np.exp(-2j * np.pi * SENSOR.tone_frequencies_hz * path_m / SPEED_OF_LIGHT_MPS)
    rows = np.exp(2j * np.pi * np.asarray(SENSOR.rx_positions) * np.sin(azimuth_rad))
    return np.asarray(rows[:, None] * tones)


def seen(places: list[tuple[float, float]], amplitudes: list[np.ndarray]) -> tuple[Paths, np.ndarray]:
    """Return the paths by way of places with amplitudes (T,) over a window, and the snapshots of them."""
    path, azimuth = paths_of(np.array(places), TX)
    data = sum(a[:, None, None] * steering(p, s) for a, p, s in zip(amplitudes, path, azimuth, strict=True))
    power = np.array([np.sum(np.abs(a) ** 2) for a in amplitudes])
    paths = Paths(
        time_s=0.0,
        path_m=path,
        azimuth_rad=azimuth,
        covariance=np.tile(1e-4 * np.eye(2), (len(places), 1, 1)),
        snr_db=10.0 * np.log10(power * SENSOR.n_rx * SENSOR.n_tones / NOISE),
    )
    return paths, np.asarray(data)


WALKS = 0.1 * np.exp(2j * np.pi * 60.0 * 0.004 * np.arange(T))
FLICKERS = 0.02 * np.exp(0.7j) * np.sin(np.linspace(-2.0, 3.0, T))


def doubts(config: DoubtConfig | None = None, still: np.ndarray | None = None) -> Doubts:
    made = Doubts(SENSOR, config or DoubtConfig())
    made.push(np.zeros((SENSOR.n_rx, SENSOR.n_tones), dtype=np.complex128) if still is None else still)
    return made


# --- shadows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "amplitudes", "doubtful"),
    [
        ((-1.5, 6.0), FLICKERS, True),  # behind, as the receiver sees it
        ((-4.25, 2.0), FLICKERS, True),  # behind, as the transmitter sees it
        ((-1.5, 6.0), 0.2 * WALKS, False),  # a second person walks there
        ((1.5, 6.0), FLICKERS, False),  # in nobody's shadow
        ((-0.5, 2.0), FLICKERS, False),  # before the person
        ((-1.5, 6.0), 10.0 * FLICKERS, False),  # stronger than who might shadow it
    ],
)
def test_what_flickers_behind_somebody_is_doubtful(
    other: tuple[float, float], amplitudes: np.ndarray, doubtful: bool
) -> None:
    person = (-0.625, 2.5)
    paths, data = seen([person, other], [WALKS, amplitudes])
    mask = doubts()(paths, data, NOISE)
    assert mask.tolist() == [False, doubtful]
    assert not doubts(DoubtConfig(shadows=False))(paths, data, NOISE).any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 1.0))
def test_behind_is_what_a_search_over_all_pairs_says(seed: int, reach_m: float) -> None:
    rng = np.random.default_rng(seed)
    place, snr_db = rng.uniform(-5.0, 5.0, (7, 2)), rng.uniform(10.0, 60.0, 7)
    expected = np.zeros(7, dtype=bool)
    for i in range(7):
        for k in range(7):
            for end in (np.zeros(2), np.array(TX)):
                way = (place[i] - end) / np.linalg.norm(place[i] - end)
                along = (place[k] - end) @ way
                across = np.linalg.norm(place[k] - end - along * way)
                between = 0.0 < along < np.linalg.norm(place[i] - end) - reach_m
                expected[i] |= between and across < reach_m and snr_db[k] > snr_db[i]
    np.testing.assert_array_equal(behind(place, snr_db, np.array(TX), reach_m), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.0, 6.28))
def test_straightness_is_one_on_a_line_and_falls_as_the_phase_turns(seed: int, phase: float) -> None:
    real = np.random.default_rng(seed).standard_normal((1, T))
    np.testing.assert_allclose(straightness(np.exp(1j * phase) * real), 1.0)
    quarter = np.exp(1j * phase + 0.5j * np.pi * np.linspace(0.0, 1.0, 2000))
    np.testing.assert_allclose(straightness(quarter[None]), 2.0 / np.pi, atol=1e-3)
    half = np.exp(1j * phase + 1j * np.pi * np.linspace(0.0, 1.0, T, endpoint=False))
    np.testing.assert_allclose(straightness(half[None]), 0.0, atol=1e-12)
    np.testing.assert_array_equal(straightness(np.zeros((1, T), dtype=np.complex128)), 0.0)


# --- residue ---------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.floats(7.0, 20.0), st.floats(-0.8, 0.8), st.floats(-40.0, 0.0))
def test_a_still_echo_is_as_strong_as_a_path_of_its_amplitude(path_m: float, sine: float, level_db: float) -> None:
    still = StillEcho(SENSOR)
    amplitude = 10.0 ** (level_db / 20.0)
    for _ in range(3):
        still.push(amplitude * steering(path_m, np.arcsin(sine)))
    place = np.array([path_m]), np.array([np.arcsin(sine)])
    paths = Paths(time_s=0.0, path_m=place[0], azimuth_rad=place[1], covariance=np.zeros((1, 2, 2)), snr_db=np.zeros(1))
    said = still.snr_db(paths, NOISE, T)
    expected = level_db + 10.0 * np.log10(T * SENSOR.n_rx * SENSOR.n_tones / NOISE)
    np.testing.assert_allclose(said, expected, atol=0.1)


def test_the_direct_path_a_thousand_times_as_strong_hides_no_empty_cell() -> None:
    still = StillEcho(SENSOR)
    still.push(steering(SENSOR.direct_path_m, np.arctan2(*TX)))
    paths, _ = seen([(-1.0, 4.0), (-3.0, 3.0)], [WALKS, WALKS])
    full = 10.0 * np.log10(T * SENSOR.n_rx * SENSOR.n_tones / NOISE)
    assert np.all(still.snr_db(paths, NOISE, T) < full - 50.0)


def test_who_walks_is_gone_in_what_stands_still() -> None:
    still = StillEcho(SENSOR)
    paths, _ = seen([(-1.0, 4.0)], [WALKS])
    for block in range(250):
        still.push(np.exp(2j * np.pi * 61.3 * 0.004 * block) * steering(paths.path_m[0], paths.azimuth_rad[0]))
    full = 10.0 * np.log10(T * SENSOR.n_rx * SENSOR.n_tones / NOISE)
    assert still.snr_db(paths, NOISE, T)[0] < full - 35.0
    still.reset()
    assert still.snr_db(paths, NOISE, T)[0] < -200.0


@pytest.mark.parametrize(("below_db", "doubtful"), [(15.0, False), (25.0, True)])
def test_what_is_far_below_a_wall_may_be_what_calibration_leaves_of_it(below_db: float, doubtful: bool) -> None:
    paths, data = seen([(-1.0, 4.0)], [WALKS])
    wall = 0.1 * 10.0 ** (below_db / 20.0) * steering(paths.path_m[0], paths.azimuth_rad[0])
    assert doubts(still=wall)(paths, data, NOISE).tolist() == [doubtful]
    assert not doubts(DoubtConfig(residue_db=None), still=wall)(paths, data, NOISE).any()


# --- side lobes ------------------------------------------------------------------------------------------------------


def test_a_side_lobe_is_at_the_same_path_length_and_far_weaker() -> None:
    path_m = np.array([9.0, 9.3, 9.3, 12.0])
    snr_db = np.array([55.0, 24.0, 26.0, 20.0])
    assert outshone(path_m, snr_db, 0.61, 30.0).tolist() == [False, True, False, False]


def test_no_paths_no_doubts_and_settings_that_doubt_nothing_sensible_are_refused() -> None:
    empty = doubts()(Paths.empty(0.0), np.zeros((T, SENSOR.n_rx, SENSOR.n_tones), dtype=complex), NOISE)
    assert empty.shape == (0,)
    wrongs: list[dict[str, Any]] = [
        {"straightness": 0.0}, {"shadow_reach_m": 0.0}, {"residue_db": np.nan}, {"sidelobe_db": np.inf},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(ConfigError):
            DoubtConfig(**wrong)
