"""The channel at a track, block by block, and what its Doppler spectrum shows."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import ConfigError, OfdmSensor
from isactrack.processing.bistatic import path_rate
from isactrack.processing.products import MovingBlocks
from isactrack.processing.slow_time import doppler_power, slow_time
from isactrack.units import SPEED_OF_LIGHT_MPS

STAGGER_S = (0.0, 1.3e-3, 0.4e-3, 2.1e-3, 0.9e-3, 1.7e-3, 0.2e-3)


def blocks_of(
    sensor: OfdmSensor, start_m: NDArray[np.float64], velocity: NDArray[np.float64], n: int = 64
) -> MovingBlocks:
    """Return what a radio sees of one point that moves."""
    time_s = np.arange(n) * sensor.frame_period_s + np.array([sensor.stagger_of(k) for k in range(n)])
    at = start_m + time_s[:, None] * velocity
    tx = np.asarray(sensor.tx_position_m)
    length = np.hypot(*at.T) + np.hypot(*(at - tx).T)
    frequency = sensor.carrier_frequency_hz + sensor.tone_frequencies_hz
    tones = np.exp(-2j * np.pi * frequency * length[:, None] / SPEED_OF_LIGHT_MPS)
    channel = 0.3 * sensor.steering(np.arctan2(*at.T))[:, :, None] * tones[:, None, :]
    return MovingBlocks(time_s=time_s, channel=channel, sensor=sensor)


@pytest.mark.parametrize("stagger_s", [(), STAGGER_S], ids=["even", "staggered"])
def test_the_spectrum_peaks_at_the_rate_of_the_path(radio: OfdmSensor, stagger_s: tuple[float, ...]) -> None:
    sensor = replace(radio, stagger_s=stagger_s)
    start, velocity = np.array([0.8, 3.0]), np.array([0.25, -0.3])
    blocks = blocks_of(sensor, start, velocity)
    made = slow_time(blocks, [7], start + 0.128 * velocity)
    values = made.of(7)
    assert values is not None
    assert made.of(8) is None
    np.testing.assert_allclose(np.abs(values), 0.3, rtol=0.05)  # the gain of the path
    rates = np.linspace(-1.4, 1.4, 561)
    power = doppler_power(made.time_s, values, -rates / sensor.wavelength_m)
    expected = float(path_rate(start + 0.128 * velocity, velocity, sensor.tx_position_m or (0.0, 0.0)))
    assert rates[np.argmax(power)] == pytest.approx(expected, abs=0.03)
    assert power.max() == pytest.approx(0.09, rel=0.15)


def test_staggered_blocks_tell_a_rate_from_its_alias(radio: OfdmSensor) -> None:
    start, velocity = np.array([0.5, 3.0]), np.array([0.0, -1.2])
    share = {}
    for stagger_s in ((), STAGGER_S):
        sensor = replace(radio, stagger_s=stagger_s)
        made = slow_time(blocks_of(sensor, start, velocity), [1], start + 0.128 * velocity)
        rate = float(path_rate(start + 0.128 * velocity, velocity, sensor.tx_position_m or (0.0, 0.0)))
        alias = rate + sensor.blind_path_rate_mps
        around = np.concatenate([np.linspace(-0.15, 0.15, 61) + centre for centre in (rate, alias)])
        power = doppler_power(made.time_s, made.values[0], -around / sensor.wavelength_m)
        share[stagger_s] = power[61:].max() / power[:61].max()
    assert share[()] > 0.9  # even blocks cannot tell
    assert share[STAGGER_S] < 0.5


def test_no_tracks_give_an_empty_table_and_a_track_that_jumps_turns_no_phase(radio: OfdmSensor) -> None:
    start, still = np.array([0.8, 3.0]), np.zeros(2)
    blocks = blocks_of(radio, start, still, n=10)
    assert slow_time(blocks, [], []).values.shape == (0, 10)
    one, two = slow_time(blocks, [1, 2], [start, np.add(start, (0.05, -0.06))]).values
    assert np.abs(np.angle(two * np.conj(one))).max() < 0.05


def test_a_radio_without_a_transmitter_is_refused(radio: OfdmSensor) -> None:
    blocks = blocks_of(radio, np.array([0.8, 3.0]), np.zeros(2), n=4)
    lost = MovingBlocks(time_s=blocks.time_s, channel=blocks.channel, sensor=replace(radio, tx_position_m=None))
    with pytest.raises(ConfigError):
        slow_time(lost, [1], [(1.0, 2.0)])
