"""The report of the strongest return: where it looks, and where its image lies."""

import numpy as np
import pytest

from isactrack import ConfigError, FmcwSensor
from isactrack.processing.report import return_report
from isactrack.processing.spectra import RangeDopplerMap

LEAKAGE, TARGET = 0, 40


@pytest.fixture
def spectrum(room_sensor: FmcwSensor) -> RangeDopplerMap:
    """Return a map of noise with leakage in its first bins, a weaker target, and the target's image 30 dB below."""
    loops, bins = room_sensor.loops_per_frame, room_sensor.samples_per_chirp
    power = np.random.default_rng(3).uniform(0.5, 1.5, (loops, bins)).astype(np.float32)
    power[:, LEAKAGE] *= 1e9
    power[:, TARGET] *= 1e6
    power[:, -TARGET] *= 1e3
    velocity = (np.arange(loops) - loops // 2) * room_sensor.velocity_resolution_mps
    return RangeDopplerMap(power, np.asarray(velocity), np.asarray(np.arange(bins) * room_sensor.range_resolution_m))


def test_leakage_below_the_least_range_is_not_the_strongest_return(
    room_sensor: FmcwSensor, spectrum: RangeDopplerMap
) -> None:
    assert return_report(spectrum, room_sensor).range_bin == LEAKAGE
    report = return_report(spectrum, room_sensor, min_range_m=0.3)
    assert report.range_bin == TARGET
    assert report.range_m == pytest.approx(TARGET * room_sensor.range_resolution_m, abs=room_sensor.range_resolution_m)
    assert report.image_level_db == pytest.approx(-30.0, abs=1.0)
    nearer = return_report(spectrum, room_sensor, min_range_m=0.3, max_range_m=(TARGET - 1) * 0.999)
    assert nearer.range_bin <= (TARGET - 1) / room_sensor.range_resolution_m


def test_ranges_without_a_bin_are_refused(room_sensor: FmcwSensor, spectrum: RangeDopplerMap) -> None:
    with pytest.raises(ConfigError, match="no range bin"):
        return_report(spectrum, room_sensor, min_range_m=room_sensor.range_max_m + 1.0)
