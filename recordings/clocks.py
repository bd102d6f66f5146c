"""The clock of a stream against the clock of the host, and streams of one host against each other.

Every frame carries two times: where it starts on the device's clock, and when its first byte arrived on the host's.
What lies between them is the offset of the two clocks, their drift, and a delay that is never negative: the frame may
wait in a socket, or for a host that has other things to do, but it cannot arrive before it was sent. So the clock is a
line *under* the arrivals. It is laid through the earliest arrival of each of many short spans by the median of the
slopes between them (Theil and Sen), which neither long waits nor a few arrivals that are too early can turn. A host
that is overloaded all the time turns it nevertheless; then, by a slope that no oscillator has, the line is laid flat,
under the earliest of the points.

The least delay itself (a card that gathers a packet before it sends it) cannot be told from an offset. Devices of one
kind that run one profile share it, so that it cancels between their streams.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.units import NS_PER_S

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ENVELOPE_POINTS = 128
"""Spans that a stream is cut into; each gives its earliest arrival."""
RESOLUTION_S = 1e-6
"""Least uncertainty of an offset that is claimed."""
LARGEST_DRIFT = 300e-6
"""No oscillator is farther off than this; what says so of one is a host that was kept from its work, or a simulation
that does not go with the wall clock."""
CLEAR_RAMP = 20.0
"""Such a simulation makes a ramp that stands out of what scatters about it so many times."""
_FRAMES_A_SPAN = 8
_LEAST_POINTS = 16
EARLIEST_SHARE = 0.1
_MAD_TO_STD = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEstimate:
    """A device's clock as a line on the host's monotonic clock.

    Attributes
    ----------
    reference_s
        Device time in the middle of what the line was laid through, where it is known best.
    host_monotonic_ns
        The host's monotonic clock at that moment, nanoseconds.
    drift_ppm
        By how much the host's clock runs faster than the device's, parts per million.
    offset_std_s, drift_std_ppm
        Standard deviations of the two.
    """

    reference_s: float
    host_monotonic_ns: int
    drift_ppm: float
    offset_std_s: float
    drift_std_ppm: float

    def host_time_s(self, device_time_s: ArrayLike) -> FloatArray:
        """Return the host's monotonic clock (seconds, float64) at times of the device's clock, any shape."""
        since_s = np.asarray(device_time_s, dtype=np.float64) - self.reference_s
        return np.asarray(self.host_monotonic_ns / NS_PER_S + since_s * (1.0 + 1e-6 * self.drift_ppm))

    def std_s(self, device_time_s: ArrayLike) -> FloatArray:
        """Return the standard deviation (seconds, float64) of `host_time_s`."""
        since_s = np.asarray(device_time_s, dtype=np.float64) - self.reference_s
        return np.asarray(np.hypot(self.offset_std_s, since_s * 1e-6 * self.drift_std_ppm))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOffset:
    """Where the clock of one stream stands against that of another.

    Attributes
    ----------
    reference, stream
        The two streams.
    offset_s
        By how much the clock of `stream` is behind that of `reference`: its time 0 is that much later.
    std_s
        Standard deviation of the offset.
    drift_ppm
        By how much `stream` runs slower.
    """

    reference: str
    stream: str
    offset_s: float
    std_s: float
    drift_ppm: float


def lower_envelope(
    device_time_s: FloatArray, host_monotonic_ns: IntArray, points: int = ENVELOPE_POINTS, slope: float = 0.0
) -> tuple[FloatArray, IntArray]:
    """Return the earliest arrivals, in relation to the device's clock, of `points` spans of equally many frames.

    Parameters
    ----------
    device_time_s, host_monotonic_ns
        Starts (n,) and arrivals (n,) of the frames.
    points
        Spans, at most; a span has 8 frames at least, or as many as it takes for 16 spans.
    slope
        Drift that is known already (seconds a second) and taken off before arrivals are compared.
    """
    n = device_time_s.size
    spans = min(points, max(min(n, _LEAST_POINTS), n // _FRAMES_A_SPAN))
    if not n:
        return device_time_s, host_monotonic_ns
    late_s = _late_s(device_time_s, host_monotonic_ns) - slope * (device_time_s - device_time_s[0])
    edges = np.linspace(0, n, spans + 1).astype(np.int64)
    rows = np.array([low + int(np.argmin(late_s[low:high])) for low, high in pairwise(edges)])
    return device_time_s[rows], host_monotonic_ns[rows]


def estimate_clock(device_time_s: ArrayLike, host_monotonic_ns: ArrayLike) -> ClockEstimate | None:
    """Return the clock of a stream, None if it has less than four frames with usable times.

    Parameters
    ----------
    device_time_s
        Starts of the frames (n,) float64 on the device's clock, growing.
    host_monotonic_ns
        Arrivals (n,) int64 on the host's monotonic clock, nanoseconds.
    """
    time_s = np.asarray(device_time_s, dtype=np.float64)
    host_ns = np.asarray(host_monotonic_ns, dtype=np.int64)
    usable = np.isfinite(time_s)
    time_s, host_ns = time_s[usable], host_ns[usable]
    if time_s.size < 4 or not time_s[-1] > time_s[0]:
        return None
    slope = 0.0
    for _ in range(2):  # a steep line hides what is early within a span, until its slope is known
        t, host = lower_envelope(time_s, host_ns, slope=slope)
        slope = _median_slope(t, _late_s(t, host))
    reference_s = float(t[0] + t[-1]) / 2.0
    residual_s = _late_s(t, host) - slope * (t - reference_s)
    late_s = float(np.median(residual_s))
    # Line and median take three degrees of freedom: of few points, that is most of what they scatter.
    few = (t.size + 3.0) / (t.size - 3.0)
    scatter_s = max(few * _MAD_TO_STD * float(np.median(np.abs(residual_s - late_s))), RESOLUTION_S)
    span_s = float(t[-1] - t[0])
    if LARGEST_DRIFT < abs(slope) < CLEAR_RAMP * scatter_s / span_s:
        slope, late_s = 0.0, float(np.quantile(_late_s(t, host), EARLIEST_SHARE))
    # An even spread of n points over T seconds has a variance of T^2/12: the line's slope is known to s/(T sqrt(n/12)).
    drift_std = scatter_s * math.sqrt(12.0 / t.size) / span_s
    since_first_s = reference_s - t[0] + late_s
    return ClockEstimate(
        reference_s=reference_s,
        host_monotonic_ns=int(host[0]) + round(since_first_s * NS_PER_S),
        drift_ppm=1e6 * slope,
        # Not the error of the median: how far the floor lies under the earliest arrivals is not known any better.
        offset_std_s=scatter_s,
        drift_std_ppm=1e6 * drift_std,
    )


def clock_offset(
    reference: str, reference_clock: ClockEstimate, stream: str, stream_clock: ClockEstimate
) -> StreamOffset:
    """Return the offset between two streams of one host, in the middle of the second."""
    at_s = stream_clock.reference_s
    host_s = float(stream_clock.host_time_s(at_s))
    rate = 1.0 + 1e-6 * reference_clock.drift_ppm
    reference_zero_s = float(reference_clock.host_time_s(reference_clock.reference_s))
    reference_at_s = reference_clock.reference_s + (host_s - reference_zero_s) / rate
    return StreamOffset(
        reference=reference,
        stream=stream,
        offset_s=reference_at_s - at_s,
        std_s=float(np.hypot(stream_clock.std_s(at_s), reference_clock.std_s(reference_at_s))),
        drift_ppm=stream_clock.drift_ppm - reference_clock.drift_ppm,
    )


def _late_s(device_time_s: FloatArray, host_monotonic_ns: IntArray) -> FloatArray:
    """Return how much later each frame arrived than the first, beyond the time between them on the device's clock."""
    # Differences first: nanoseconds of a clock that runs for years do not fit a float64.
    return np.asarray((host_monotonic_ns - host_monotonic_ns[0]) / NS_PER_S - (device_time_s - device_time_s[0]))


def _median_slope(t: FloatArray, y: FloatArray) -> float:
    """Return the median of the slopes between all pairs of points."""
    first, second = np.triu_indices(t.size, 1)
    run = t[second] - t[first]
    return float(np.median((y[second] - y[first])[run > 0.0] / run[run > 0.0])) if np.any(run > 0.0) else 0.0
