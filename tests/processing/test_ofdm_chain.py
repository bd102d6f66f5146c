"""The bistatic chain on a toy radio: targets where they are, and blocks that must not enter left out."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import NO_FLAGS, BlockFlag, BlockInfo, Frame
from isactrack.ofdm import ArrayModel, OfdmSensor
from isactrack.processing.chain import ChainConfig, FmcwChain
from isactrack.processing.chains import make_chain
from isactrack.processing.channel import CalibrationStatus
from isactrack.processing.ofdm_chain import MAX_LEFT_OUT, OfdmChain, OfdmChainOutput, SkippedBlocks
from isactrack.processing.ofdm_config import CalibrationConfig, OfdmChainConfig
from isactrack.processing.ofdm_report import radio_report
from isactrack.processing.products import Product
from isactrack.units import SPEED_OF_LIGHT_MPS

FloatArray = NDArray[np.float64]

RADIO = OfdmSensor(
    model="toy radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3, rx_positions=tuple(0.5 * k for k in range(8)), tx_position_m=(3.5, 2.0), csi_scale=2e-4,
)  # fmt: skip
STATIC = ((1.0, 0.0, None), (0.4, 9.0, -0.4), (0.3, 11.5, 0.7))
"""Gain, path length and azimuth of what stands still; the first is the direct path."""


@dataclass
class Toy:
    """Makes blocks of a scene.

    Parameters
    ----------
    walkers
        Functions from time (s) to position (2,), m.
    snr_db
        Of the direct path over noise, a tone of a row.
    """

    walkers: tuple[Callable[[float], FloatArray], ...] = ()
    snr_db: float = 35.0
    gain: float = 0.05
    sensor: OfdmSensor = RADIO
    seed: int = 0
    flags: dict[int, BlockFlag] = field(default_factory=dict)
    torn: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)

    def channel(self, time_s: float) -> NDArray[np.complex128]:
        """Return the channel (rows, tones) without impairments."""
        paths = [
            (gain, length or self.sensor.direct_path_m, self.sensor.direct_azimuth_rad if az is None else az)
            for gain, length, az in STATIC
        ]
        for walker in self.walkers:
            at = walker(time_s)
            length = float(np.hypot(*at) + np.hypot(*(at - np.asarray(self.sensor.tx_position_m))))
            paths.append((self.gain, length, float(np.arctan2(*at))))
        f = self.sensor.tone_frequencies_hz
        total = np.zeros((self.sensor.n_rx, self.sensor.n_tones), dtype=np.complex128)
        for gain, length, az in paths:
            turn = np.exp(-2j * np.pi * (f + self.sensor.carrier_frequency_hz) * length / SPEED_OF_LIGHT_MPS)
            total += gain * self.sensor.steering(az)[:, None] * turn
        return total

    def frames(self, count: int) -> Iterator[Frame]:
        """Yield blocks."""
        sensor, rng = self.sensor, np.random.default_rng(self.seed)
        sigma = 10.0 ** (-self.snr_db / 20.0)
        for counter in range(count):
            time_s = counter * sensor.frame_period_s
            channel = self.channel(time_s)
            delay_s, phase = rng.normal(0.0, 3e-9), rng.uniform(-np.pi, np.pi)
            channel *= np.exp(-2j * np.pi * sensor.tone_frequencies_hz * delay_s + 1j * phase)
            channel += sigma / np.sqrt(2.0) * (rng.normal(size=(*channel.shape, 2)) @ np.array([1.0, 1j]))
            if counter in self.missing:
                continue
            samples = sensor.encode_words(channel[None] / sensor.csi_scale)
            valid = np.ones(-(-samples.size // 4), dtype=np.bool_)
            if counter in self.torn:
                valid[: valid.size // 2] = False
                samples[: samples.size // 2] = 0
            block = BlockInfo(
                tick=round(time_s * sensor.sample_rate_hz),
                flags=self.flags.get(counter, NO_FLAGS),
                noise_power=(sigma / sensor.csi_scale) ** 2,
            )
            yield Frame(samples, valid, counter, time_s, 0, 0, block)


RADAR = FmcwSensor(
    model="synthetic", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=32, frame_period_s=0.1,
)  # fmt: skip
POINT = OfdmChainConfig(body_radius_m=0.0)
"""The toy's walkers are points."""


def walker(time_s: float) -> NDArray[np.float64]:
    return np.array([-1.0 + 0.9 * time_s, 3.0 + 0.4 * time_s])


def outputs(chain: OfdmChain, frames: list[Frame]) -> list[OfdmChainOutput]:
    return [output for frame in frames if (output := chain(frame)) is not None]


N = 130
FIRST = 59
"""25 blocks until the reference is known, 10 until the mean is, and 25 of a window."""


@pytest.fixture(scope="module")
def walk() -> list[Frame]:
    return list(Toy((walker,)).frames(N))


@pytest.fixture(scope="module")
def plain(walk: list[Frame]) -> list[OfdmChainOutput]:
    return outputs(OfdmChain(RADIO), walk)


def test_a_walker_is_found_where_he_is_at_the_centre_of_each_window(walk: list[Frame]) -> None:
    chain = OfdmChain(RADIO, POINT)
    found = outputs(chain, walk)
    assert [output.calibration.counter for output in found] == list(range(FIRST, N, 10))
    assert [output.time_s for output in found] == pytest.approx([(k - 12) * 4e-3 for k in range(FIRST, N, 10)])
    seen = [output for output in found if len(output.detections)]
    assert len(seen) >= len(found) - 2  # the first ones have no trail behind them
    for output in seen:
        ((x, y),) = output.detections.position_m
        assert math.dist((x, y), walker(output.time_s)) < 0.06
        ((length, azimuth),) = zip(output.paths.path_m, output.paths.azimuth_rad, strict=True)
        assert length == pytest.approx(math.hypot(x, y) + math.dist((x, y), RADIO.tx_position_m or ()), abs=0.02)
        assert azimuth == pytest.approx(math.atan2(x, y), abs=0.01)
        assert output.spectrum.power.shape == (181, 256)
    assert chain.discarded_frames == 0
    assert chain.skipped.acquiring == 25


def test_every_block_is_accounted_for_in_order(walk: list[Frame]) -> None:
    chain = OfdmChain(RADIO)
    found = outputs(chain, walk)
    blocks = [one for output in found for one in output.calibrations] + list(chain.take_calibrations())
    assert [one.counter for one in blocks] == list(range(N))
    assert [one.status for one in blocks[25:]] == [CalibrationStatus.LOCKED] * (N - 25)
    assert chain.take_calibrations() == ()
    report = radio_report(blocks, chain.skipped, [output.paths for output in found])
    assert report.blocks == {
        "acquiring": 25, "locked": N - 25, "held": 0, "rejected": 0, "incomplete": 0, "flagged": 0, "unsynchronised": 0,
    }  # fmt: skip
    assert report.median_quality == pytest.approx(0.999, abs=0.001)
    assert report.delay_spread_s == pytest.approx(np.ptp([one.delay_s for one in blocks[25:]]))
    assert report.strongest is not None
    assert report.strongest.snr_db == max(output.paths.snr_db.max() for output in found if len(output.paths))
    assert radio_report([], SkippedBlocks(), []).strongest is None


def test_a_chain_that_was_reset_begins_anew(walk: list[Frame], plain: list[OfdmChainOutput]) -> None:
    chain = OfdmChain(RADIO)
    for frame in reversed(walk[:40]):
        chain(frame)
    chain.reset()
    assert (chain.discarded_frames, chain.take_calibrations()) == (0, ())
    again = outputs(chain, walk)
    assert [output.time_s for output in again] == [output.time_s for output in plain]
    for one, other in zip(plain, again, strict=True):
        assert np.array_equal(one.detections.position_m, other.detections.position_m)
        assert one.calibrations == other.calibrations


def test_torn_and_flagged_blocks_do_not_enter_and_are_counted() -> None:
    rng = np.random.default_rng(5)
    torn = set(rng.choice(np.arange(60, N), 8, replace=False).tolist())
    flags = {80: BlockFlag.OVERFLOW, 81: BlockFlag.LO_UNLOCKED, 82: BlockFlag.SATURATED, 83: BlockFlag.GAIN_CHANGED}
    toy = Toy((walker,), torn=torn - flags.keys(), flags=flags, missing={100, 101})
    chain = OfdmChain(RADIO, POINT)
    found = outputs(chain, list(toy.frames(N)))
    assert chain.skipped.incomplete == len(toy.torn - {100, 101})
    assert chain.skipped.flagged == 2  # a saturated block, or one with another gain, is a block yet
    assert chain.discarded_frames == chain.skipped.incomplete + 2
    used = {one.counter for output in found for one in output.calibrations}
    assert not used & (toy.torn | {80, 81, 100, 101})
    for output in found[2:]:
        assert len(output.detections) == 1
        assert math.dist(output.detections.position_m[0], walker(output.time_s)) < 0.06


def test_a_window_never_joins_what_lies_before_a_gap_to_what_comes_after() -> None:
    toy = Toy((walker,), missing=set(range(80, 140)))
    chain = OfdmChain(RADIO)
    found = outputs(chain, list(toy.frames(180)))
    after = [output for output in found if output.calibration.counter >= 140]
    assert after[0].calibration.counter == 169  # the first end of a hop with 25 blocks behind the gap
    assert after[0].time_s == pytest.approx((169 - 12) * 4e-3)
    assert np.all(np.diff([output.time_s for output in found]) > 0.0)


def test_a_few_lost_blocks_stretch_a_window_and_no_more() -> None:
    toy = Toy((walker,), missing={k for k in range(70, 140) if k % 3})
    chain = OfdmChain(RADIO)
    found = [one.calibration.counter for one in outputs(chain, list(toy.frames(180)))]
    # Two of three blocks lost: 25 blocks would reach 75 back, and nothing is said until they reach 50 back again.
    assert not [k for k in found if 120 < k < 140]
    assert found[-1] == 179


def test_blocks_without_the_reference_are_rejected_and_counted() -> None:
    class Broken(Toy):
        def channel(self, time_s: float) -> NDArray[np.complex128]:
            if 0.3 <= time_s < 0.4:
                return np.zeros((8, 76), dtype=np.complex128)
            return super().channel(time_s)

    chain = OfdmChain(RADIO)
    found = outputs(chain, list(Broken((walker,)).frames(N)))
    assert chain.skipped.rejected == 25
    assert chain.discarded_frames == 25
    assert {one.status for output in found for one in output.calibrations} >= {CalibrationStatus.REJECTED}


def test_in_a_hurry_estimates_are_left_out_but_not_for_ever(walk: list[Frame]) -> None:
    chain = OfdmChain(RADIO, OfdmChainConfig(hop_blocks=2))
    found = [output for frame in walk if (output := chain(frame, hurry=True)) is not None]
    due = len(range(FIRST, N, 2))
    assert chain.left_out + len(found) == due
    assert len(found) == due // (MAX_LEFT_OUT + 1)
    assert len(found[0].calibrations) == found[0].calibration.counter + 1  # nothing of the blocks is lost
    chain.reset()
    assert chain.left_out == 0


@pytest.mark.parametrize("method", ["nearest-bin", "antenna-ratio", "off"])
def test_other_calibrations_can_be_chosen(walk: list[Frame], method: str) -> None:
    chain = OfdmChain(RADIO, OfdmChainConfig(calibration=CalibrationConfig(method=method)))
    assert len(outputs(chain, walk[:60])) == 3  # no blocks are spent on a reference
    assert chain.skipped == SkippedBlocks()


def test_without_a_clutter_filter_the_direct_path_stands_out_of_the_spectrum(walk: list[Frame]) -> None:
    direct = {}
    for clutter_filter in ("off", "mean"):
        spectrum = outputs(OfdmChain(RADIO, OfdmChainConfig(clutter_filter=clutter_filter)), walk[:100])[0].spectrum
        azimuth = int(np.argmin(abs(spectrum.azimuth_axis_rad - RADIO.direct_azimuth_rad)))
        assert spectrum.path_axis_m[0] == pytest.approx(RADIO.direct_path_m)
        direct[clutter_filter] = spectrum.level_db()[azimuth, 0]
    assert direct["off"] > 20.0 > 6.0 > direct["mean"]


def test_times_are_those_of_the_sample_clock(walk: list[Frame]) -> None:
    late = [replace_block(frame, tick=round((frame.device_time_s + 1e-3) * RADIO.sample_rate_hz)) for frame in walk]
    found = outputs(OfdmChain(RADIO), late[: FIRST + 1])
    assert found[0].time_s == pytest.approx((FIRST - 12) * 4e-3 + 1e-3)
    staggered = replace(RADIO, stagger_s=(0.0, 1e-3))
    untold = [Frame(f.samples, f.valid, f.counter, f.device_time_s, 0, 0) for f in walk]
    found = outputs(OfdmChain(staggered), untold[: FIRST + 1])
    offsets = [staggered.stagger_of(k) for k in range(FIRST - 24, FIRST + 1)]
    assert found[0].time_s == pytest.approx((FIRST - 12) * 4e-3 + np.mean(offsets))


def replace_block(frame: Frame, **changes: object) -> Frame:
    assert frame.block is not None
    return Frame(
        frame.samples, frame.valid, frame.counter, frame.device_time_s, 0, 0,
        replace(frame.block, **changes),  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_gain_that_the_radio_reports_changes_nothing(walk: list[Frame], plain: list[OfdmChainOutput]) -> None:
    louder = [
        Frame(frame.samples * np.int16(2), frame.valid, frame.counter, frame.device_time_s, 0, 0,
              replace(frame.block, gain_db=20.0 * math.log10(2.0), noise_power=4.0 * frame.block.noise_power))
        for frame in walk if frame.block is not None
    ]  # fmt: skip
    for one, other in zip(plain, outputs(OfdmChain(RADIO), louder), strict=True):
        assert other.detections.position_m == pytest.approx(one.detections.position_m, abs=1e-6)
        assert other.detections.snr_db == pytest.approx(one.detections.snr_db, abs=1e-3)


def test_each_sensor_gets_its_chain() -> None:
    assert isinstance(make_chain(RADAR), FmcwChain)
    assert isinstance(make_chain(RADIO, OfdmChainConfig(hop_blocks=7)), OfdmChain)
    with pytest.raises(ConfigError, match="FMCW radar"):
        make_chain(RADAR, OfdmChainConfig())
    with pytest.raises(ConfigError, match="OFDM radio") as error:
        make_chain(RADIO, ChainConfig())
    assert "OfdmChainConfig" in error.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array": ArrayModel.BEAMSPACE}, "beamspace"),
        ({"array": ArrayModel.SWITCHED}, "switched"),
        ({"tx_position_m": None}, "transmitter"),
        ({"tx_streams": 2}, "stream"),
    ],
)
def test_radios_that_it_cannot_work_with_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        OfdmChain(replace(RADIO, **change))  # type: ignore[arg-type]
    assert error.value.hint


# --- what views draw -------------------------------------------------------------------------------------------------


def test_the_newest_block_comes_with_each_output_before_and_after_the_clutter(plain: list[OfdmChainOutput]) -> None:
    for output in plain:
        channel = output.products.channel
        assert channel is not None
        assert channel.counter == output.calibration.counter
        assert channel.before.shape == channel.after.shape == (RADIO.n_rx, RADIO.n_tones)
        assert channel.nbytes == 2 * RADIO.n_rx * RADIO.n_tones * 8
        still, moving = (float(np.mean(np.abs(part) ** 2)) for part in (channel.before, channel.after))
        assert moving < 0.02 * still  # a walker of 0.05 beside a direct path of 1
        assert output.products.blocks is None  # nobody asked


def test_blocks_come_once_each_while_they_are_wanted(walk: list[Frame]) -> None:
    chain = OfdmChain(RADIO)
    chain.wanted = frozenset({Product.SLOW_TIME})
    times: list[float] = []
    for frame in walk:
        output = chain(frame, hurry=frame.counter % 20 < 10)  # every other estimate is left out
        if output is not None and output.products.blocks is not None:
            assert output.products.blocks.channel.shape[1:] == (RADIO.n_rx, RADIO.n_tones)
            times += output.products.blocks.time_s.tolist()
    assert chain.left_out > 0
    assert len(times) > 60
    np.testing.assert_allclose(np.diff(times), RADIO.frame_period_s, atol=1e-9)  # none is missing, none comes twice


def test_a_chain_stops_handing_out_what_is_not_wanted_any_more(walk: list[Frame]) -> None:
    chain = OfdmChain(RADIO)
    chain.wanted = frozenset({Product.SLOW_TIME})
    made = []
    for frame in walk:
        output = chain(frame)
        if output is not None:
            made.append(output.products.blocks)
            chain.wanted = frozenset()
    assert [blocks is not None for blocks in made] == [True] + [False] * (len(made) - 1)
