"""What commands show of a waveform: its numbers, and the limits of range, velocity and angle that follow."""

import math

from isactrack.fmcw import FmcwSensor

LIMITS = (
    "bandwidth_hz", "centre_frequency_hz", "range_resolution_m", "range_max_m", "velocity_resolution_mps",
    "velocity_max_mps", "azimuth_resolution_rad", "azimuth_max_rad", "coherent_time_s", "data_rate_bps", "frame_bytes",
)  # fmt: skip
"""Properties of a sensor that follow from the others, for JSON."""


def waveform_rows(sensor: FmcwSensor) -> list[tuple[str, str, str, str]]:
    """Return rows of a table: a value of the waveform and what it is, a limit that follows and what it is."""
    us, degrees = 1e6, 180.0 / math.pi
    waveform = [
        ("start frequency", f"{sensor.start_frequency_hz / 1e9:.4f} GHz"),
        ("slope", f"{sensor.slope_hz_per_s / 1e12:.4f} MHz/us"),
        ("bandwidth sampled", f"{sensor.bandwidth_hz / 1e6:.1f} MHz"),
        ("samples", f"{sensor.samples_per_chirp} at {sensor.sample_rate_hz / 1e6:g} MHz"),
        ("chirp", f"{sensor.idle_time_s * us:g} + {sensor.ramp_end_s * us:g} us"),
        ("frame", f"{sensor.loops_per_frame} loops every {sensor.frame_period_s * 1e3:g} ms"),
        ("antennas", f"{sensor.n_tx} TX x {sensor.n_rx} RX"),
        ("word order", str(sensor.iq_order)),
    ]
    limits = [
        ("range resolution", f"{sensor.range_resolution_m:.4f} m"),
        ("range limit", f"{sensor.range_max_m:.2f} m"),
        ("velocity resolution", f"{sensor.velocity_resolution_mps:.4f} m/s"),
        ("velocity limit", f"{sensor.velocity_max_mps:.3f} m/s"),
        ("azimuth resolution", f"{sensor.azimuth_resolution_rad * degrees:.1f} deg"),
        ("azimuth limit", f"{sensor.azimuth_max_rad * degrees:.1f} deg"),
        ("coherent time", f"{sensor.coherent_time_s * 1e3:.2f} ms"),
        ("raw data rate", f"{sensor.data_rate_bps / 1e6:.1f} Mbit/s"),
    ]
    return [(*left, *right) for left, right in zip(waveform, limits, strict=True)]
