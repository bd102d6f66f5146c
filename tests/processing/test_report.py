"""The report of the strongest return: where it looks, and where its image lies."""

import numpy as np
import pytest

from isactrack import FmcwSensor
from isactrack.processing.report import return_report
from isactrack.processing.spectra import RangeDopplerMap, make_window

LEAKAGE_M, TARGET_M = 0.06, 8.0


@pytest.fixture
def spectrum(room_sensor: FmcwSensor) -> RangeDopplerMap:
    """Return a map of noise, strong leakage, and a weaker target with its I/Q image 30 dB below it."""
    loops, bins = room_sensor.loops_per_frame, room_sensor.samples_per_chirp
    rng, sample = np.random.default_rng(3), np.arange(bins)

    def tone(range_m: float) -> np.ndarray[tuple[int], np.dtype[np.complex128]]:
        return np.asarray(np.exp(2j * np.pi * range_m / room_sensor.range_max_m * sample))

    echo = 300.0 * tone(LEAKAGE_M) + 100.0 * tone(TARGET_M) + 100.0 * 10 ** (-30 / 20) * tone(-TARGET_M)
    noise = rng.normal(size=(loops, bins)) + 1j * rng.normal(size=(loops, bins))
    power = np.abs(np.fft.fft((echo + noise) * make_window("hann", bins), axis=1)) ** 2
    velocity = (np.arange(loops) - loops // 2) * room_sensor.velocity_resolution_mps
    ranges = np.arange(bins) * room_sensor.range_resolution_m
    return RangeDopplerMap(power.astype(np.float32), np.asarray(velocity), np.asarray(ranges))


def test_leakage_below_the_least_range_is_not_the_strongest_return(
    room_sensor: FmcwSensor, spectrum: RangeDopplerMap
) -> None:
    everything = return_report(spectrum, room_sensor)
    assert everything is not None
    assert (everything.range_bin, everything.image_level_db) == (0, 0.0)
    assert everything.range_m == pytest.approx(LEAKAGE_M, abs=0.05)
    # The bin after the leakage's lies at 0.73 m and holds its flank, which is stronger than the target.
    report = return_report(spectrum, room_sensor, min_range_m=0.3)
    assert report is not None
    assert report.range_m == pytest.approx(TARGET_M, abs=0.05)
    assert report.image_level_db == pytest.approx(-30.0, abs=1.0)


def test_the_largest_range_leaves_out_what_lies_behind(room_sensor: FmcwSensor, spectrum: RangeDopplerMap) -> None:
    report = return_report(spectrum, room_sensor, min_range_m=0.3, max_range_m=TARGET_M - 0.2)
    assert report is None or report.range_m < TARGET_M - 0.2
    assert return_report(spectrum, room_sensor, min_range_m=room_sensor.range_max_m + 1.0) is None


def test_the_wrong_order_of_the_words_mirrors_the_range_and_not_the_image(
    room_sensor: FmcwSensor, spectrum: RangeDopplerMap
) -> None:
    mirrored = RangeDopplerMap(
        np.roll(spectrum.power[:, ::-1], 1, axis=1), spectrum.velocity_axis_mps, spectrum.range_axis_m
    )
    report = return_report(mirrored, room_sensor, min_range_m=0.3, max_range_m=room_sensor.range_max_m - 0.3)
    assert report is not None
    assert report.range_m == pytest.approx(room_sensor.range_max_m - TARGET_M, abs=0.05)
    assert report.image_level_db == pytest.approx(-30.0, abs=1.0)
