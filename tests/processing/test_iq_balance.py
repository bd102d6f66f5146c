"""The image of unequal branches is found without knowing the channel, and only where it can be."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import OfdmSensor
from isactrack.ofdm_waveform import reference_spectrum, reference_symbols
from isactrack.processing.iq_balance import MIN_BLOCKS, IqBalance, SampleBalance

Channel = NDArray[np.complex128]


def _coefficients(rng: np.random.Generator, rows: int = 8) -> Channel:
    """Draw image coefficients of -30 dB, an error of 5 % in gain and phase together."""
    return np.asarray(10 ** (-30 / 20) * rng.uniform(0.7, 1.4, rows) * np.exp(2j * np.pi * rng.random(rows)))


def _with_image(channel: Channel, b: Channel, sensor: OfdmSensor) -> Channel:
    """Send the reference symbols through a channel, mix in the mirror image, and divide by them again."""
    symbols = reference_symbols(sensor)
    received = channel * symbols
    return np.asarray((received + b[:, None] * received[:, ::-1].conj()) / symbols)


def _error_db(found: Channel | None, truth: Channel) -> float:
    assert found is not None
    return float(10 * np.log10(np.mean(np.abs(found - truth) ** 2)))


@pytest.mark.parametrize("turn", [2 * np.pi, 3.0])
def test_image_is_found_from_phases_that_differ(turn: float, radio: OfdmSensor, radio_room: type[Any]) -> None:
    room = radio_room(radio, 31, 20.0)
    b = _coefficients(room.rng)
    balance = IqBalance(radio)
    for m in range(200):
        channel = room.still * np.exp(1j * turn * room.rng.random())
        clean = room.receive(channel, 3e-9 * room.rng.standard_normal(), phase_rad=0.0)
        block = _with_image(clean, b, radio)
        corrected = balance(block)
        if m < MIN_BLOCKS - 1:
            assert balance.coefficients is None
            np.testing.assert_array_equal(corrected, block)
        elif m == MIN_BLOCKS - 1:
            assert _error_db(balance.coefficients, b) < -47.0
    assert _error_db(balance.coefficients, b) < -56.0
    left = np.mean(np.abs(corrected - clean) ** 2) / np.mean(np.abs(block - clean) ** 2)
    assert 10 * np.log10(left) < -25.0
    balance.reset()
    assert balance.coefficients is None


@pytest.mark.parametrize("turn", [0.0, 0.5])
def test_nothing_is_done_where_phases_are_alike(turn: float, radio: OfdmSensor, radio_room: type[Any]) -> None:
    room = radio_room(radio, 32, 20.0)
    b = _coefficients(room.rng)
    balance = IqBalance(radio)
    for _ in range(150):
        channel = room.receive(room.still, 3e-9 * room.rng.standard_normal(), phase_rad=turn * room.rng.random())
        block = _with_image(channel, b, radio)
        np.testing.assert_array_equal(balance(block), block)
    assert not balance.identifiable
    assert balance.coefficients is None


def test_perfect_receiver_stays_perfect(radio: OfdmSensor, radio_room: type[Any]) -> None:
    room = radio_room(radio, 33, 30.0)
    balance = IqBalance(radio)
    for _ in range(200):
        block = room.receive(room.still)
        corrected = balance(block)
    assert np.mean(np.abs(corrected - block) ** 2) < 1e-2 * room.noise_power


def test_tones_without_mirrors_are_left_alone(radio: OfdmSensor, radio_room: type[Any]) -> None:
    lopsided = replace(radio, tones=radio.tones[1:])
    room = radio_room(lopsided, 34)
    balance = IqBalance(lopsided)
    for _ in range(60):
        block = room.receive(room.still)
        np.testing.assert_array_equal(balance(block), block)
    assert not balance.identifiable


def test_lost_tones_stay_lost_and_teach_nothing(radio: OfdmSensor, radio_room: type[Any]) -> None:
    room = radio_room(radio, 35, 30.0)
    b = _coefficients(room.rng)
    balance = IqBalance(radio)
    for _ in range(100):
        balance(_with_image(room.receive(room.still), b, radio))
    known = balance.coefficients
    assert known is not None
    block = _with_image(room.receive(room.still), b, radio)
    block[2, :40] = 0.0
    corrected = balance(block)
    np.testing.assert_array_equal(balance.coefficients, known)
    np.testing.assert_array_equal(corrected[2, :40], 0.0)
    # Tones whose mirror was lost keep their image; the others lose it.
    np.testing.assert_allclose(corrected[2, 40:], block[2, 40:], rtol=5e-3)
    assert np.all(corrected[3] != block[3])


def test_image_in_samples_is_found_whatever_the_phase(radio: OfdmSensor) -> None:
    rng = np.random.default_rng(36)
    b = _coefficients(rng)
    gains = rng.standard_normal((8, 1)) + 1j * rng.standard_normal((8, 1))
    balance = SampleBalance()
    for m in range(400):
        symbol = np.fft.ifft(reference_spectrum(radio, rng)) * np.exp(0.4j * np.arange(2048))  # a carrier offset
        clean = gains * symbol
        samples = clean + b[:, None] * clean.conj()
        if m < MIN_BLOCKS:
            assert balance.coefficients is None
            assert balance.apply(samples) is samples
        balance.learn(samples)
    assert _error_db(balance.coefficients, b) < -55.0
    left = np.mean(np.abs(balance.apply(samples) - clean) ** 2) / np.mean(np.abs(samples - clean) ** 2)
    assert 10 * np.log10(left) < -25.0
    some = np.array([True, False] * 4)
    np.testing.assert_allclose(balance.apply(samples[some], some), balance.apply(samples)[some])
    assert balance.apply(samples.astype(np.complex64)).dtype == np.complex64
    balance.reset()
    assert balance.coefficients is None
