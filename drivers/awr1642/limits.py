"""Limits of the AWR1642, its firmware, the DCA1000 and the host, as named checks with one sentence each.

Sources: data sheet SWRS203, mmWave radar interface control document, user guides of the mmWave SDK and of the
DCA1000EVM (SPRUIJ4A); the demo's own checks as its sources make them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.fmcw import FmcwSensor

ADC_BUFFER_BYTES: Final = 16 * 1024
L3_BYTES: Final = 768 * 1024
"""Radar cube memory of the AWR1642 (data sheet SWRS203, L3 shared memory)."""
SDK1_CUBE_BYTES: Final = 640 * 1024
"""What the demo of SDK 1 keeps of it for the cube."""
MAX_TX_START_US: Final = 40.9
"""Of the transmitter's start, before or after the ramp's (mmWave radar interface control document, profile config)."""
MAX_LOOPS: Final = 255
LVDS_BPS: Final = 2 * 600e6
"""Two lanes, double data rate at 300 MHz."""

PACKET_DATA_BYTES: Final = 1456
"""Data in a packet of the default size, 1470."""
PACKET_TIME_S: Final = 11.728e-6
"""A packet's 1466 bytes at 1 Gbit/s; the FPGA waits for the packet delay after each."""
DEFAULT_DELAY_US: Final = 25
"""Packet delay of TI's tools."""
SHORTEST_DELAY_US: Final = 5
LINK_RESERVE: Final = 0.25
"""Share by which the link must be faster than the samples come, to work off what waits in the card's memory."""

MAX_BAUD_RATE: Final = 3_125_000
"""Of the radar's data port."""

RECEIVE_PAUSE_S: Final = 0.1
"""For so long the computer may leave the socket alone."""
KERNEL_BYTES_PER_PACKET: Final = 2304
"""What Linux books for a packet of 1466 bytes; the buffer that it grants is twice the number that is asked for."""


@dataclass(frozen=True, slots=True)
class ProfileCheck:
    """A physical limit that a profile keeps or breaks.

    Attributes
    ----------
    name
        What is checked.
    passed
        Whether it holds; None if the profile does not tell.
    detail
        One sentence with the numbers.
    """

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class SetUp:
    """What a profile asks for beside the waveform that `FmcwSensor` describes.

    Attributes
    ----------
    tx_mask
        Transmitters that are enabled, a bit each.
    chirp_threshold
        Chirps collected in the ADC buffer before they are read.
    trigger
        What starts the frames.
    tx_start_us
        Start of the transmitter after that of the ramp, microseconds.
    dialects
        SDKs whose demo takes every command; the one that the radar runs if that is known.
    """

    tx_mask: int
    chirp_threshold: int
    trigger: int
    tx_start_us: float
    dialects: tuple[Dialect, ...]


def labels(dialects: Sequence[Dialect]) -> str:
    """Return the names of SDKs as people enumerate them, e.g. ``SDK 1 and SDK 2``."""
    names = [dialect.label for dialect in dialects]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def link_bps(delay_s: float) -> float:
    """Return the rate of data on the Ethernet link of the DCA1000, bit/s, at a packet delay in s.

    The user guide's table of rates counts the packet header, 10 bytes, as data.
    """
    return 8 * PACKET_DATA_BYTES / (PACKET_TIME_S + delay_s)


def packet_delay_s(sensor: FmcwSensor) -> float:
    """Return the packet delay of the DCA1000 for a sensor, in s: a whole number of microseconds from 5 to 25.

    TI's default of 25 us, which is kind to slow receivers, as long as the link is then at least 25 % faster than the
    samples come on average; else the longest with which it is, and the shortest if none is.
    """
    needed_bps = (1.0 + LINK_RESERVE) * sensor.data_rate_bps
    steps = (us / 1e6 for us in range(DEFAULT_DELAY_US, SHORTEST_DELAY_US - 1, -1))
    return next((delay_s for delay_s in steps if link_bps(delay_s) >= needed_bps), SHORTEST_DELAY_US / 1e6)


def receive_buffer_bytes(sensor: FmcwSensor) -> int:
    """Return the size of the receive buffer (SO_RCVBUF) that holds what arrives while nobody reads for 100 ms.

    A frame's packets come in one burst at the rate of the link.
    """
    frames, rest_s = divmod(RECEIVE_PAUSE_S, sensor.frame_period_s)
    burst_bytes = min(sensor.frame_bytes, link_bps(packet_delay_s(sensor)) / 8 * rest_s)
    packets = math.ceil((frames * sensor.frame_bytes + burst_bytes) / PACKET_DATA_BYTES)
    return packets * KERNEL_BYTES_PER_PACKET // 2


def limit_checks(sensor: FmcwSensor, set_up: SetUp, *, receive_limit_bytes: int | None = None) -> list[ProfileCheck]:
    """Return every limit with the numbers of a sensor.

    Parameters
    ----------
    sensor
        What the device really runs.
    set_up
        The rest of the profile.
    receive_limit_bytes
        Largest receive buffer that this computer grants (``net.core.rmem_max``); None if unknown.
    """
    return [
        *_set_up_checks(sensor, set_up),
        *_ramp_checks(sensor, set_up),
        *_frame_checks(sensor, set_up),
        *_link_checks(sensor, receive_limit_bytes),
        _sdk_check(set_up),
    ]


def _set_up_checks(sensor: FmcwSensor, set_up: SetUp) -> list[ProfileCheck]:
    max_samples = ADC_BUFFER_BYTES // (4 * sensor.n_rx)
    return [
        ProfileCheck(
            "transmitters", set_up.tx_mask <= 3, f"channelCfg enables {set_up.tx_mask:#b}; the AWR1642 has two, 0b11"
        ),
        ProfileCheck(
            "receiver gain",
            24.0 <= sensor.rx_gain_db <= 52.0 and sensor.rx_gain_db % 2.0 == 0.0,
            f"{sensor.rx_gain_db:g} dB; 24 to 52 dB in steps of 2",
        ),
        ProfileCheck(
            "samples",
            64 <= sensor.samples_per_chirp <= max_samples and sensor.samples_per_chirp % 4 == 0,
            f"{sensor.samples_per_chirp} samples a chirp; 64 to {max_samples} in steps of 4 fit the ADC buffer",
        ),
        ProfileCheck(
            "sample rate",
            2e6 <= sensor.sample_rate_hz <= 12.5e6,
            f"{sensor.sample_rate_hz / 1e6:g} MHz; the AWR1642 samples at 2 to 12.5 MHz",
        ),
        ProfileCheck(
            "chirp threshold",
            set_up.chirp_threshold == 1,
            f"adcbufCfg collects {set_up.chirp_threshold} chirps in the ADC buffer; streaming over LVDS needs 1",
        ),
        ProfileCheck(
            "trigger",
            set_up.trigger == 1,
            f"frameCfg has trigger {set_up.trigger}; 1 starts by command, others wait for a signal",
        ),
    ]


def _ramp_checks(sensor: FmcwSensor, set_up: SetUp) -> list[ProfileCheck]:
    us = 1e6
    window_end_s = sensor.adc_start_s + sensor.samples_per_chirp / sensor.sample_rate_hz
    sweep_hz = sensor.slope_hz_per_s * sensor.ramp_end_s
    top_hz = sensor.start_frequency_hz + sweep_hz
    return [
        ProfileCheck(
            "ADC start",
            0.0 <= sensor.adc_start_s <= 40.95e-6,
            f"sampling starts at {sensor.adc_start_s * us:.2f} us of the ramp; 0 to 40.95 us",
        ),
        ProfileCheck(
            "TX start",
            abs(set_up.tx_start_us) <= MAX_TX_START_US,
            f"the transmitter starts at {set_up.tx_start_us:g} us; at most {MAX_TX_START_US} us before or after the "
            "ramp",
        ),
        ProfileCheck(
            "ramp end", sensor.ramp_end_s <= 5e-3, f"the ramp ends at {sensor.ramp_end_s * us:.2f} us; at most 5 ms"
        ),
        ProfileCheck(
            "ADC window",
            window_end_s <= sensor.ramp_end_s + 1e-12,
            f"sampling ends at {window_end_s * us:.2f} us, the ramp at {sensor.ramp_end_s * us:.2f} us",
        ),
        ProfileCheck(
            "band",
            sensor.start_frequency_hz >= 76e9 - 1e6 and top_hz <= 81e9 and sweep_hz <= 4e9,
            f"the ramp runs from {sensor.start_frequency_hz / 1e9:.3f} to {top_hz / 1e9:.3f} GHz; "
            "76 to 81 GHz and at most 4 GHz are allowed",
        ),
        ProfileCheck(
            "slope",
            0.0 < sensor.slope_hz_per_s <= 100e12,
            f"{sensor.slope_hz_per_s / 1e12:.4f} MHz/us; above 0 and at most 100",
        ),
        ProfileCheck(
            "idle time",
            2e-6 <= sensor.idle_time_s <= 5.24e-3,
            f"{sensor.idle_time_s * us:.2f} us between ramps; 2 us to 5.24 ms",
        ),
    ]


def _frame_checks(sensor: FmcwSensor, set_up: SetUp) -> list[ProfileCheck]:
    old_only = set_up.dialects == (Dialect.SDK1,)
    fewest_loops, most_chirps, cube_bytes = (16, 32, SDK1_CUBE_BYTES) if old_only else (4, 512, L3_BYTES)
    chirps = sensor.loops_per_frame * sensor.n_tx
    busy_s = chirps * sensor.chirp_interval_s
    idle_s = sensor.frame_period_s - busy_s
    duty = chirps * sensor.ramp_end_s / sensor.frame_period_s
    return [
        ProfileCheck(
            "loops",
            fewest_loops <= sensor.loops_per_frame <= MAX_LOOPS and sensor.loops_per_frame % 4 == 0,
            f"{sensor.loops_per_frame} loops a frame; {fewest_loops} to {MAX_LOOPS} in steps of 4"
            + (" on SDK 1" if old_only else ""),
        ),
        ProfileCheck(
            "chirps",
            sensor.n_tx <= most_chirps,
            f"{sensor.n_tx} different chirps, {chirps} a frame; at most {most_chirps}"
            + (" on SDK 1" if old_only else "")
            + f", each {MAX_LOOPS} times",
        ),
        ProfileCheck(
            "frame time",
            busy_s < 0.99 * sensor.frame_period_s,
            f"{chirps} chirps take {busy_s * 1e3:.2f} ms of a {sensor.frame_period_s * 1e3:g} ms frame, which leaves "
            f"{idle_s * 1e3:.2f} ms idle; at least 1 % must be",
        ),
        ProfileCheck("duty cycle", duty <= 0.5, f"the transmitter is on {100 * duty:.1f} % of the time; at most 50 %"),
        ProfileCheck(
            "radar cube",
            sensor.frame_bytes <= cube_bytes,
            f"a frame takes {sensor.frame_bytes} bytes of {cube_bytes} in the L3 memory",
        ),
    ]


def _link_checks(sensor: FmcwSensor, receive_limit_bytes: int | None) -> list[ProfileCheck]:
    mbps, us = 1e-6, 1e6
    lvds_s = 8 * sensor.frame_bytes / (sensor.loops_per_frame * sensor.n_tx) / LVDS_BPS
    rate_bps, delay_s = sensor.data_rate_bps, packet_delay_s(sensor)
    fastest_bps, chosen_bps = link_bps(SHORTEST_DELAY_US / 1e6), link_bps(delay_s)
    fits = (1.0 + LINK_RESERVE) * rate_bps <= fastest_bps
    return [
        ProfileCheck(
            "LVDS rate",
            lvds_s <= sensor.chirp_interval_s,
            f"a chirp's samples take {lvds_s * us:.2f} us on two lanes of 600 Mbit/s; chirps follow every "
            f"{sensor.chirp_interval_s * us:.2f} us",
        ),
        ProfileCheck(
            "link rate",
            fits,
            f"{rate_bps * mbps:.1f} Mbit/s of raw samples; the DCA1000 sends at most {fastest_bps * mbps:.0f} Mbit/s, "
            f"and {100 * LINK_RESERVE:.0f} % reserve is needed",
        ),
        ProfileCheck(
            "packet delay",
            True if fits else None,
            f"{delay_s * us:.0f} us between packets: {chosen_bps * mbps:.0f} Mbit/s, of which the samples fill "
            f"{100 * rate_bps / chosen_bps:.0f} %",
        ),
        _receive_check(receive_buffer_bytes(sensor), receive_limit_bytes),
    ]


def _receive_check(needed_bytes: int, limit_bytes: int | None) -> ProfileCheck:
    needed = f"a pause of {RECEIVE_PAUSE_S * 1e3:.0f} ms takes a receive buffer of {needed_bytes} bytes"
    if limit_bytes is None:
        return ProfileCheck("receive buffer", None, f"{needed}; what this computer grants is unknown")
    remedy = f"; `sudo sysctl -w net.core.rmem_max={needed_bytes}`"
    passed = needed_bytes <= limit_bytes
    return ProfileCheck(
        "receive buffer", passed, f"{needed}, this computer grants {limit_bytes}{'' if passed else remedy}"
    )


def _sdk_check(set_up: SetUp) -> ProfileCheck:
    return ProfileCheck(
        "SDK",
        bool(set_up.dialects),
        f"the demo of {labels(set_up.dialects)} takes every command"
        if set_up.dialects
        else "no SDK's demo on the AWR1642 takes every command; they are of several SDKs or of another device",
    )
