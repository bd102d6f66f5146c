"""What people are shown of a waveform: its numbers, and the limits of range, velocity, delay and angle that follow."""

import math
from itertools import zip_longest

from isactrack.fmcw import FmcwSensor
from isactrack.ofdm import ArrayModel, Capture, OfdmSensor
from isactrack.sensor import Sensor

_RADAR_LIMITS = (
    "bandwidth_hz", "centre_frequency_hz", "range_resolution_m", "range_max_m", "velocity_resolution_mps",
    "velocity_max_mps", "azimuth_resolution_rad", "azimuth_max_rad", "coherent_time_s", "data_rate_bps", "frame_bytes",
)  # fmt: skip
_RADIO_LIMITS = (
    "bandwidth_hz", "sample_rate_hz", "symbol_s", "delay_resolution_s", "delay_max_s", "path_resolution_m",
    "path_max_m", "coherent_time_s", "data_rate_bps", "frame_bytes", "n_tones",
)  # fmt: skip
_RADIO_MOTION = ("path_rate_max_mps", "blind_path_rate_mps")
_RADIO_AZIMUTH = ("azimuth_resolution_rad", "azimuth_max_rad")
_RADIO_DIRECT_PATH = ("direct_path_m", "direct_azimuth_rad")
_US, _NS, _DEGREES = 1e6, 1e9, 180.0 / math.pi

_Rows = list[tuple[str, str]]


def limits(sensor: Sensor) -> dict[str, float | None]:
    """Return the properties of a sensor that follow from the others, for JSON; None for what does not apply."""
    if isinstance(sensor, FmcwSensor):
        return {name: getattr(sensor, name) for name in _RADAR_LIMITS}
    known = dict.fromkeys((*_RADIO_LIMITS, *_RADIO_MOTION, *_RADIO_AZIMUTH, *_RADIO_DIRECT_PATH), True)
    known |= dict.fromkeys(_RADIO_MOTION, sensor.periodic)
    known |= dict.fromkeys(_RADIO_AZIMUTH, _is_line(sensor))
    known |= dict.fromkeys(_RADIO_DIRECT_PATH, sensor.tx_position_m is not None)
    return {name: getattr(sensor, name) if applies else None for name, applies in known.items()}


def waveform_rows(sensor: Sensor) -> list[tuple[str, str, str, str]]:
    """Return rows of a table: a value of the waveform and what it is, a limit that follows and what it is."""
    waveform, follows = _radar_rows(sensor) if isinstance(sensor, FmcwSensor) else _radio_rows(sensor)
    return [(*left, *right) for left, right in zip_longest(waveform, follows, fillvalue=("", ""))]


def _radar_rows(sensor: FmcwSensor) -> tuple[_Rows, _Rows]:
    waveform = [
        ("start frequency", f"{sensor.start_frequency_hz / 1e9:.4f} GHz"),
        ("slope", f"{sensor.slope_hz_per_s / 1e12:.4f} MHz/us"),
        ("bandwidth sampled", f"{sensor.bandwidth_hz / 1e6:.1f} MHz"),
        ("samples", f"{sensor.samples_per_chirp} at {sensor.sample_rate_hz / 1e6:g} MHz"),
        ("chirp", f"{sensor.idle_time_s * _US:g} + {sensor.ramp_end_s * _US:g} us"),
        ("frame", f"{sensor.loops_per_frame} loops every {sensor.frame_period_s * 1e3:g} ms"),
        ("antennas", f"{sensor.n_tx} TX x {sensor.n_rx} RX"),
        ("word order", str(sensor.iq_order)),
    ]
    follows = [
        ("range resolution", f"{sensor.range_resolution_m:.4f} m"),
        ("range limit", f"{sensor.range_max_m:.2f} m"),
        ("velocity resolution", f"{sensor.velocity_resolution_mps:.4f} m/s"),
        ("velocity limit", f"{sensor.velocity_max_mps:.3f} m/s"),
        ("azimuth resolution", f"{sensor.azimuth_resolution_rad * _DEGREES:.1f} deg"),
        ("azimuth limit", f"{sensor.azimuth_max_rad * _DEGREES:.1f} deg"),
        ("coherent time", f"{sensor.coherent_time_s * 1e3:.2f} ms"),
        ("raw data rate", f"{sensor.data_rate_bps / 1e6:.1f} Mbit/s"),
    ]
    return waveform, follows


def _radio_rows(sensor: OfdmSensor) -> tuple[_Rows, _Rows]:
    spacing_hz = sensor.tone_spacing_hz
    spread = "unevenly" if spacing_hz is None else f"{spacing_hz / 1e6:g} MHz apart"
    samples = f"{sensor.gate_samples} samples a row" if sensor.capture is Capture.IQ else "channel estimates"
    waveform = [
        ("carrier", f"{sensor.carrier_frequency_hz / 1e9:.4f} GHz"),
        ("subcarriers", f"{sensor.fft_size} of {sensor.subcarrier_spacing_hz / 1e3:g} kHz"),
        ("tones", f"{sensor.n_tones}, {spread}"),
        ("bandwidth of tones", f"{sensor.bandwidth_hz / 1e6:.1f} MHz"),
        ("symbol", f"{sensor.symbol_s * _US:.2f} us, prefix {sensor.cyclic_prefix_samples} samples"),
        ("blocks", _blocks_text(sensor)),
        ("a block", f"{sensor.tx_streams} streams x {sensor.n_rx} rows, {samples}"),
        ("array", _array_text(sensor)),
        ("transmitter", _transmitter_text(sensor)),
    ]
    moves = sensor.periodic
    follows = [
        ("delay resolution", f"{sensor.delay_resolution_s * _NS:.2f} ns"),
        ("path resolution", f"{sensor.path_resolution_m:.3f} m"),
        ("path limit", f"{sensor.path_max_m:.1f} m"),
        ("path rate limit", f"{sensor.path_rate_max_mps:.3f} m/s" if moves else "-"),
        ("blind path rate", f"{sensor.blind_path_rate_mps:.3f} m/s if evenly spaced" if moves else "-"),
        ("azimuth resolution", f"{sensor.azimuth_resolution_rad * _DEGREES:.1f} deg" if _is_line(sensor) else "-"),
        ("azimuth limit", f"{sensor.azimuth_max_rad * _DEGREES:.1f} deg" if _is_line(sensor) else "-"),
        ("direct path", "-" if sensor.tx_position_m is None else f"{sensor.direct_path_m:.3f} m"),
        ("raw data rate", f"{sensor.data_rate_bps / 1e6:.1f} Mbit/s"),
    ]
    return waveform, follows


def _is_line(sensor: OfdmSensor) -> bool:
    """Return whether the rows stand in a line, so that positions set limits of azimuth."""
    return sensor.array in (ArrayModel.ULA, ArrayModel.SWITCHED)


def _blocks_text(sensor: OfdmSensor) -> str:
    period_ms = sensor.frame_period_s * 1e3
    if not sensor.periodic:
        return f"when packets come, {period_ms:.3g} ms apart in the mean"
    rate = f"{1.0 / sensor.frame_period_s:g} Hz, every {period_ms:g} ms"
    return f"{rate}, staggered by up to {max(sensor.stagger_s) * 1e3:g} ms" if sensor.stagger_s else rate


def _array_text(sensor: OfdmSensor) -> str:
    if not _is_line(sensor) or sensor.n_rx < 2:
        return str(sensor.array)
    length = max(sensor.rx_positions) - min(sensor.rx_positions)
    return f"{sensor.array}, {length:g} wavelengths long"


def _transmitter_text(sensor: OfdmSensor) -> str:
    if sensor.tx_position_m is None:
        return "not known where"
    return f"at ({sensor.tx_position_m[0]:g}, {sensor.tx_position_m[1]:g}) m"
