"""Samples become channel estimates: offsets found to the noise, no preamble where there is none."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import BlockInfo, ConfigError, OfdmSensor
from isactrack.ofdm import Capture
from isactrack.ofdm_waveform import (
    GATE_MARGIN,
    active_subcarriers,
    gate_samples,
    preamble_spectrum,
    reference_spectrum,
    reference_symbols,
)
from isactrack.processing.ofdm_receiver import (
    CFO_HOLD_HZ,
    OfdmReceiver,
    clipped_samples,
    csi_sensor,
    derotation,
    estimate_csi,
    find_preamble,
    gate_layout,
    integer_cfo,
    load_response,
    preamble_threshold,
    undo,
)

Samples = NDArray[np.complex128]
C = 299792458.0
TICK = 987_654_321_012


@pytest.fixture(scope="module")
def sensor(radio: OfdmSensor) -> OfdmSensor:
    return replace(radio, capture=Capture.IQ, gate_samples=gate_samples(2048, 512))


@dataclass
class Air:
    """What arrives at a receiver: sums of delayed symbols, computed in the time domain at each sample's own time.

    Every path is the transmitted waveform, continued periodically within a symbol's prefix, evaluated at a time that
    need not be a sample's: a Fourier sum over the active subcarriers, one path after the other.
    """

    sensor: OfdmSensor
    seed: int

    def __post_init__(self) -> None:
        rng = self.rng = np.random.default_rng(self.seed)
        sensor = self.sensor
        self.lengths = np.concatenate([[0.0], rng.uniform(0.5, 20.0, 10)])
        self.azimuths = rng.uniform(-1.0, 1.0, 11)
        self.gains = np.concatenate([[1.0], 10 ** (-rng.uniform(6, 25, 10) / 20)]) * np.exp(2j * np.pi * rng.random(11))
        self.positions = np.asarray(sensor.rx_positions)
        self.active = active_subcarriers(sensor)

    def channel(self, subcarriers: NDArray[np.int64], late_samples: float = 0.0) -> Samples:
        """Return the channel (rows, n) at subcarriers, as seen in a window that the direct path hits that much late."""
        delay = self.lengths / C * self.sensor.sample_rate_hz + late_samples
        rows = np.exp(2j * np.pi * self.positions[:, None] * np.sin(self.azimuths)) * self.gains
        return np.asarray(rows @ np.exp(-2j * np.pi * np.outer(delay, subcarriers) / self.sensor.fft_size))

    def gate(self, late: float, cfo_hz: float, snr_db: float, phase: float = 0.0, level: float = 1000.0) -> Samples:
        """Return a gate (rows, gate), its direct path `late` samples late, with noise `snr_db` under a tone."""
        sensor, rng = self.sensor, self.rng
        size, prefix = sensor.fft_size, sensor.cyclic_prefix_samples
        whole = math.floor(late)
        response = self.channel(self.active, late - whole)
        samples = np.zeros((sensor.n_rx, sensor.gate_samples), dtype=np.complex128)
        first = GATE_MARGIN + whole
        for spectrum in (preamble_spectrum(sensor), reference_spectrum(sensor, rng)):
            bins = np.zeros((sensor.n_rx, size), dtype=np.complex128)
            bins[:, self.active] = response * spectrum[self.active]
            body = np.fft.ifft(bins) * size / math.sqrt(self.active.size)
            symbol = np.concatenate([body[:, -prefix:], body], axis=1)
            begin, end = max(first, 0), min(first + size + prefix, samples.shape[1])
            samples[:, begin:end] += symbol[:, begin - first : end - first]
            first += size + prefix
        n = np.arange(samples.shape[1]) - (GATE_MARGIN + size + prefix)
        turns = (TICK % int(sensor.sample_rate_hz)) * (cfo_hz / sensor.sample_rate_hz)
        turns += TICK // int(sensor.sample_rate_hz) * cfo_hz
        samples *= np.exp(1j * phase + 2j * np.pi * (math.fmod(turns, 1.0) + cfo_hz / sensor.sample_rate_hz * n))
        tone_noise = np.mean(np.abs(response) ** 2) * 10 ** (-snr_db / 10)
        scale = math.sqrt(tone_noise * size / self.active.size / 2)
        noise = scale * rng.standard_normal((*samples.shape, 2))
        self.noise_power = level**2 * tone_noise
        return np.asarray(level * (samples + noise.view(np.complex128)[..., 0]))


def _shape(csi: Samples, expected: Samples) -> tuple[complex, float]:
    """Return the factor between an estimate and what is expected, and the mean square of what is left."""
    factor = complex(np.vdot(expected, csi) / np.vdot(expected, expected))
    return factor, float(np.mean(np.abs(csi - factor * expected) ** 2))


@pytest.mark.parametrize("snr_db", [0.0, 20.0, 40.0])
def test_offsets_and_channel_to_the_noise(snr_db: float, sensor: OfdmSensor) -> None:
    air = Air(sensor, 51)
    tones = np.asarray(sensor.tones)
    timing, carrier, left, noise = [], [], [], []
    for _ in range(25):
        late, cfo = air.rng.uniform(-120, 120), air.rng.uniform(-530e3, 530e3)
        got = OfdmReceiver(sensor)(air.gate(late, cfo, snr_db), BlockInfo(tick=TICK))
        assert got is not None
        csi, info = got
        timing.append(info.timing_samples - late)
        carrier.append(info.cfo_hz - cfo)
        factor, rest = _shape(csi, 1000.0 * air.channel(tones, late - info.timing_samples))
        assert abs(factor) == pytest.approx(1.0, abs=0.02 if snr_db else 0.08)
        left.append(rest / air.noise_power)
        noise.append(info.noise_power / air.noise_power)
    # Within one sample; the strongest point of the impulse response may lie beside the direct path a little.
    assert np.abs(timing).max() < 1.0
    assert np.sqrt(np.mean(np.square(carrier))) < {0.0: 1200.0, 20.0: 100.0, 40.0: 20.0}[snr_db]
    assert snr_db < 20.0 or np.abs(carrier).max() < 200.0
    assert np.mean(left) == pytest.approx(1.0, abs=0.06)
    assert np.mean(noise) == pytest.approx(1.0, abs=0.03)


def test_same_channel_whatever_the_offsets(sensor: OfdmSensor) -> None:
    air = Air(sensor, 52)
    tones = np.asarray(sensor.tones)
    for late, cfo in ((0.0, 0.0), (100.4, 130e3), (-99.7, -140e3), (31.5, 405e3), (-250.0, -10e3)):
        got = OfdmReceiver(sensor)(air.gate(late, cfo, 50.0, phase=0.6), BlockInfo(tick=TICK))
        assert got is not None
        csi, info = got
        _, rest = _shape(csi, air.channel(tones, late - info.timing_samples))
        assert rest < 2.0 * air.noise_power


def test_phase_goes_on_over_blocks(sensor: OfdmSensor) -> None:
    air = Air(sensor, 53)
    receiver = OfdmReceiver(sensor)
    phases, offsets = [], []
    for block in range(4):
        got = receiver(air.gate(3.0, 61e3, 30.0, phase=0.3), BlockInfo(tick=TICK))
        assert got is not None
        phases.append(np.angle(np.sum(got[0] * air.channel(np.asarray(sensor.tones)).conj())))
        offsets.append(got[1].cfo_hz)
        assert block == 0 or got[1].cfo_hz == offsets[0]
    assert np.ptp(phases) < 0.01
    got = receiver(air.gate(3.0, 61e3 + 3 * CFO_HOLD_HZ, 30.0), BlockInfo(tick=TICK))
    assert got is not None
    assert got[1].cfo_hz == pytest.approx(61e3 + 3 * CFO_HOLD_HZ, abs=100.0)
    receiver.reset()
    # Blocks at other ticks of one oscillator: the turn is that of the absolute sample clock.
    first, second = (
        derotation(61e3, TICK, 4, sensor.sample_rate_hz),
        derotation(61e3, TICK + 3, 1, sensor.sample_rate_hz),
    )
    assert second[0] == pytest.approx(first[3], abs=1e-6)


def test_corrections_can_be_undone(sensor: OfdmSensor) -> None:
    """What comes back is the estimate of a receiver that corrects nothing, on samples without noise."""
    air = Air(sensor, 54)
    late, cfo = 7.3, 900.0  # small enough that a receiver without corrections has next to no leakage
    samples = air.gate(late, cfo, 90.0)
    before = BlockInfo(tick=TICK, timing_samples=40.0, cfo_hz=5.0)
    got = OfdmReceiver(sensor, balance_iq=False)(samples, before)
    assert got is not None
    csi, info = got
    assert info.timing_samples - before.timing_samples == pytest.approx(late, abs=1.0)
    layout = gate_layout(sensor)
    first = layout.reference + layout.prefix
    plain = estimate_csi(np.fft.fft(samples[:, first - 128 : first - 128 + 2048]), layout, -128)
    # The window of the receiver is elsewhere by the timing: over 7 samples 900 Hz turn next to nothing.
    back = undo(csi, info, sensor, before)
    error = np.mean(np.abs(back - plain) ** 2) / np.mean(np.abs(plain) ** 2)
    assert 10 * np.log10(error) < -38.0
    assert 10 * np.log10(np.mean(np.abs(csi - plain) ** 2) / np.mean(np.abs(plain) ** 2)) > -10.0


def test_noise_alone_is_no_preamble(sensor: OfdmSensor) -> None:
    rng = np.random.default_rng(55)
    receiver = OfdmReceiver(sensor)
    for _ in range(60):
        noise = rng.standard_normal((8, sensor.gate_samples, 2)).view(np.complex128)[..., 0]
        assert receiver(noise) is None
    assert receiver(np.zeros((8, sensor.gate_samples), dtype=np.complex64)) is None


def test_false_locks_come_at_the_rate_that_is_set(sensor: OfdmSensor) -> None:
    """The threshold against its own statistics: rate of one in ten, because one in a million cannot be waited for."""
    rng = np.random.default_rng(56)
    layout = gate_layout(sensor)
    limit = preamble_threshold(257, 0.1)
    alike, apart = 0, 0
    for _ in range(600):
        spectra = rng.standard_normal((4, 2048, 2)).view(np.complex128)[..., 0]
        apart += find_preamble(spectra, layout, 128)[1] > limit
        alike += find_preamble(spectra[:1] * np.array([[1.0], [2.0], [1j], [-1.0]]), layout, 128)[1] > limit
    assert 0.06 < alike / 600 < 0.14
    assert apart == 0


def test_data_without_a_preamble_is_refused(sensor: OfdmSensor) -> None:
    air = Air(sensor, 57)
    samples = air.gate(0.0, 20e3, 30.0)
    samples[:, : GATE_MARGIN + 2560] = air.gate(0.0, 20e3, 30.0)[:, GATE_MARGIN + 2560 : 2 * (GATE_MARGIN + 2560)]
    samples[:, : GATE_MARGIN + 2560] *= air.rng.choice([-1.0, 1.0], (1, GATE_MARGIN + 2560))
    assert OfdmReceiver(sensor)(samples, BlockInfo(tick=TICK)) is None


def test_clipped_input_still_locks(sensor: OfdmSensor) -> None:
    air = Air(sensor, 58)
    samples = air.gate(-20.6, 88e3, 40.0, level=1.6e4)
    clipped = np.clip(samples.real, -32767, 32767) + 1j * np.clip(samples.imag, -32767, 32767)
    got = OfdmReceiver(sensor)(np.rint(clipped.real) + 1j * np.rint(clipped.imag), BlockInfo(tick=TICK))
    assert got is not None
    csi, info = got
    assert info.clipped == clipped_samples(clipped) > 1000
    assert info.timing_samples == pytest.approx(-20.6, abs=1.0)
    assert info.cfo_hz == pytest.approx(88e3, abs=2e3)
    expected = air.channel(np.asarray(sensor.tones), -20.6 - info.timing_samples)
    factor, rest = _shape(csi, expected)
    assert abs(factor) ** 2 * np.mean(np.abs(expected) ** 2) > 30.0 * rest
    assert info.noise_power > 5.0 * air.noise_power  # what clipping spreads shows in empty subcarriers


def test_rows_that_lost_samples_are_left_out(sensor: OfdmSensor) -> None:
    air = Air(sensor, 59)
    samples = air.gate(5.0, 10e3, 30.0)
    valid = np.ones(samples.shape, dtype=np.bool_)
    valid[3, 3000:3700] = False
    valid[5, 100:400] = False  # before the reference symbol
    samples[~valid] = 0.0
    got = OfdmReceiver(sensor)(samples, BlockInfo(tick=TICK), valid)
    assert got is not None
    csi, info = got
    assert not csi[3].any()
    kept = np.arange(8) != 3
    _, rest = _shape(csi[kept], air.channel(np.asarray(sensor.tones), 5.0 - info.timing_samples)[kept])
    assert rest < 1.3 * air.noise_power
    assert OfdmReceiver(sensor)(samples, None, np.zeros_like(valid)) is None


def test_image_of_the_branches_goes(sensor: OfdmSensor) -> None:
    air = Air(sensor, 60)
    receiver = OfdmReceiver(sensor)
    image = 10 ** (-25 / 20) * np.exp(2j * np.pi * air.rng.random(8))
    rest = {}
    for block in range(120):
        clean = air.gate(0.0, 120e3, 50.0, phase=air.rng.uniform(0, 6))
        if block in (0, 119) or block % 2:
            got = receiver(clean + image[:, None] * clean.conj(), BlockInfo(tick=TICK))
            assert got is not None
            rest[block] = _shape(got[0], air.channel(np.asarray(sensor.tones), -got[1].timing_samples))[1]
    assert rest[119] < 0.02 * rest[0]


def test_hardware_response_is_divided_out(sensor: OfdmSensor, tmp_path: Path) -> None:
    air = Air(sensor, 61)
    samples = air.gate(0.0, 0.0, 40.0)
    response = air.rng.standard_normal((8, 76)) + 1j * air.rng.standard_normal((8, 76))
    np.save(tmp_path / "response.npy", response)
    plain, info = OfdmReceiver(sensor)(samples) or (None, None)
    divided, _ = OfdmReceiver(sensor, load_response(tmp_path / "response.npy"))(samples) or (None, None)
    assert plain is not None
    assert divided is not None
    np.testing.assert_allclose(divided * response, plain)
    rows, _ = OfdmReceiver(sensor, response[:, 0])(samples) or (None, None)
    assert rows is not None
    np.testing.assert_allclose(rows * response[:, :1], plain)
    assert info is not None


def test_what_cannot_be_a_response_is_refused(sensor: OfdmSensor, tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_response(tmp_path / "text.npy")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_response(tmp_path / "missing.npy")
    for bad in (np.ones((2, 2, 2)), np.array(["a"]), np.array([np.nan, 1.0]), np.zeros(8)):
        with pytest.raises(ConfigError):
            OfdmReceiver(sensor, bad)
    with pytest.raises(ConfigError, match="8 rows"):
        OfdmReceiver(sensor, np.ones(4))


def test_gates_of_another_radio_are_refused(sensor: OfdmSensor, radio: OfdmSensor) -> None:
    with pytest.raises(ConfigError, match="preamble"):
        OfdmReceiver(radio)
    with pytest.raises(ConfigError, match="preamble"):
        OfdmReceiver(replace(sensor, gate_samples=3000))
    with pytest.raises(ConfigError, match="gate of shape"):
        OfdmReceiver(sensor)(np.zeros((8, 10), dtype=np.complex64))
    assert csi_sensor(sensor) == radio


def test_whole_subcarriers_are_told_by_the_reference_symbols(sensor: OfdmSensor) -> None:
    """A shifted Zadoff-Chu sequence correlates as well as an unshifted one, some samples aside."""
    layout = gate_layout(sensor)
    in_time = np.exp(-2j * np.pi * np.arange(2048) * layout.prefix / 2 / 2048)
    offset, peak = find_preamble(np.roll(preamble_spectrum(sensor), 1)[None] * in_time, layout, 200)
    none, right = find_preamble(preamble_spectrum(sensor)[None] * in_time, layout, 200)
    assert none == pytest.approx(0.0, abs=1e-6)
    assert abs(offset) > 10.0
    assert peak > 0.9 * right
    spectra = np.zeros((1, 2048), dtype=np.complex128)
    for subcarriers in (-2, -1, 0, 1, 2):
        spectra[:] = 0.0
        spectra[0, (np.asarray(sensor.tones) + subcarriers) % 2048] = reference_symbols(sensor)
        found, share = integer_cfo(spectra, layout)
        assert found == subcarriers
        assert share == pytest.approx(75 / 76)
    assert integer_cfo(np.zeros((1, 2048), dtype=np.complex128), layout)[1] == 0.0
