"""From the blocks of an OFDM radio to detections: the chain of indoor-multi-person-isac-26ghz.

Channel estimate (made here of samples where the radio delivers those), I/Q image, reference-path calibration, removal
of what stands still, 2D-MUSIC over the last blocks, positions and clusters. Each step is a module of its own; this one
composes them, decides which blocks may enter, and keeps the window that an estimate looks at.

A block enters whole or not at all: if a fragment of it was lost, its rows and tones have holes that would look like
movement, and a window can do with another block instead. Neither does one that the radio flagged as not to be
believed, nor one that calibration finds no reference for.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.frame import BlockInfo, Frame
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.processing.channel import BlockCalibration, CalibrationStatus, Paths
from isactrack.processing.dbscan_targets import TargetFinder
from isactrack.processing.doubts import Doubts
from isactrack.processing.mti import make_clutter_filter
from isactrack.processing.music import Music2d
from isactrack.processing.music_spectrum import DelayAzimuthMap
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.processing.ofdm_receiver import OfdmReceiver
from isactrack.processing.products import NO_PRODUCTS, BlockChannel, MovingBlocks, Product, Products
from isactrack.processing.reference_path import make_calibration
from isactrack.units import db_to_power

__all__ = ["OfdmChain", "OfdmChainConfig", "OfdmChainOutput", "SkippedBlocks"]

ComplexArray = NDArray[np.complex128]

MAX_STRETCH = 2
"""A window of T blocks may be spread over so many times T blocks; over more, people have moved on meanwhile."""
MAX_LEFT_OUT = 1
"""Estimates in a row that may be left out in a hurry: with less than half of them no trail of points is dense."""
_TRUSTED = (CalibrationStatus.LOCKED, CalibrationStatus.HELD)


@dataclass(frozen=True, slots=True)
class SkippedBlocks:
    """Blocks that did not enter, since the last reset.

    Attributes
    ----------
    incomplete
        Something of them was lost.
    flagged
        The radio says that they must not be believed.
    acquiring
        The calibration did not know its reference yet.
    rejected
        The calibration found no reference in them.
    unsynchronised
        There was no preamble in their samples.
    """

    incomplete: int = 0
    flagged: int = 0
    acquiring: int = 0
    rejected: int = 0
    unsynchronised: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OfdmChainOutput:
    """What the chain made of one window of blocks.

    Attributes
    ----------
    time_s
        Device time of its centre.
    detections
        Targets, the strongest first.
    spectrum
        The spectrum of 2D-MUSIC.
    paths
        The paths that the targets were made of.
    calibrations
        What was taken off each block since the last output, the newest last.
    products
        The newest block, and what was asked for.
    """

    time_s: float
    detections: Detections
    spectrum: DelayAzimuthMap
    paths: Paths
    calibrations: tuple[BlockCalibration, ...]
    products: Products = NO_PRODUCTS

    @property
    def calibration(self) -> BlockCalibration:
        """What was taken off the newest block."""
        return self.calibrations[-1]


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    """A block without clutter (rows, tones), its noise in the same units, and the block as it was calibrated."""

    counter: int
    time_s: float
    noise_power: float
    channel: ComplexArray
    calibrated: ComplexArray


class OfdmChain:
    """Turns blocks of one radio into detections.

    Parameters
    ----------
    sensor
        The radio whose blocks will come.
    config
        Settings.

    Raises
    ------
    ConfigError
        If the rows of the radio have no steering vectors, it is not known where its transmitter stands, or it sends
        several streams.

    Attributes
    ----------
    wanted
        What is to be made besides, from the next output on.
    """

    def __init__(self, sensor: OfdmSensor, config: OfdmChainConfig | None = None) -> None:
        self._config = config if config is not None else OfdmChainConfig()
        if sensor.tx_streams > 1:
            raise ConfigError(
                f"the chain works with one transmit stream, and this radio sends {sensor.tx_streams}",
                "use a profile with one stream",
            )
        sensor.steering(0.0)  # refuses rows that have no steering vectors before anything is computed
        self._sensor = sensor
        self._receiver = None
        if sensor.capture is Capture.IQ:
            self._receiver = OfdmReceiver(sensor, balance_iq=self._config.calibration.balance_iq)
        self._calibrate = make_calibration(sensor, self._config.calibration)
        self._clutter = make_clutter_filter(self._config.clutter_filter, self._config.mean_blocks)
        self._music = Music2d(
            sensor,
            self._config.music,
            max_path_m=_longest_path_m(sensor, self._config.max_excess_m),
            max_azimuth_rad=self._config.max_azimuth_rad,
        )
        self._targets = TargetFinder(sensor, self._config)
        self._doubts = Doubts(sensor, self._config.doubts)
        self._window: deque[_Snapshot] = deque(maxlen=self._config.music.window_blocks)
        self._calibrations: list[BlockCalibration] = []
        self._skipped = SkippedBlocks()
        self._hop: int | None = None
        self._shown = -1  # counter of the newest block of the last output
        self.wanted: frozenset[Product] = frozenset()
        self._left_out = self._left_out_now = 0

    @property
    def sensor(self) -> OfdmSensor:
        """The radio."""
        return self._sensor

    @property
    def config(self) -> OfdmChainConfig:
        """The settings."""
        return self._config

    @property
    def skipped(self) -> SkippedBlocks:
        """Blocks that did not enter."""
        return self._skipped

    @property
    def discarded_frames(self) -> int:
        """Blocks that did not enter although the calibration had its reference."""
        skipped = self._skipped
        return skipped.incomplete + skipped.flagged + skipped.rejected + skipped.unsynchronised

    @property
    def left_out(self) -> int:
        """Estimates since the last reset that were left out in a hurry."""
        return self._left_out

    @property
    def interval_frames(self) -> int:
        """Blocks of a window."""
        return self._config.music.window_blocks

    def reset(self) -> None:
        """Forget everything that came before: reference, clutter, window, targets and counters."""
        self._calibrate.reset()
        self._clutter.reset()
        self._doubts.reset()
        self._targets.reset()
        if self._receiver is not None:
            self._receiver.reset()
        self._window.clear()
        self._calibrations.clear()
        self._skipped = SkippedBlocks()
        self._hop = None
        self._shown = -1
        self._left_out = self._left_out_now = 0

    def take_calibrations(self) -> tuple[BlockCalibration, ...]:
        """Return what was taken off each block since the last call or output; each output takes them along too."""
        taken = tuple(self._calibrations)
        self._calibrations.clear()
        return taken

    def __call__(self, frame: Frame, *, hurry: bool = False) -> OfdmChainOutput | None:
        """Process a block.

        Parameters
        ----------
        frame
            The next block, in order of its counter.
        hurry
            Whether an estimate that is due is left out, because other blocks wait: reference, clutter and window go
            on, which is a small part of the work. It is counted.

        Returns
        -------
        OfdmChainOutput or None
            None until `hop_blocks` blocks have passed since the last output, and while the window is not full: at the
            start, and after so many unusable blocks that it would reach too far back.

        Raises
        ------
        ConfigError
            If the frame does not have the size of the radio's blocks.
        """
        snapshot = self._snapshot(frame)
        if snapshot is None:
            return None
        self._window.append(snapshot)
        while self._window[0].counter <= snapshot.counter - MAX_STRETCH * self.interval_frames:
            self._window.popleft()
        last, self._hop = self._hop, (snapshot.counter + 1) // self._config.hop_blocks
        if self._hop == last or len(self._window) < self.interval_frames:
            return None
        if hurry and self._left_out_now < MAX_LEFT_OUT:
            self._left_out += 1
            self._left_out_now += 1
            return None
        self._left_out_now = 0
        return self._estimate()

    # --- a block -----------------------------------------------------------------------------------------------------

    def _snapshot(self, frame: Frame) -> _Snapshot | None:
        """Return what moves in a block; None if the block cannot tell."""
        if not frame.usable:
            self._count(flagged=1)
            return None
        received = self._receive(frame)
        if received is None:
            return None
        counts, info = received
        time_s = self._time_s(frame)
        channel, calibration = self._calibrate(counts, frame.counter, time_s, info.noise_power, info.gain_db)
        self._calibrations.append(calibration)
        if calibration.status not in _TRUSTED:
            acquiring = calibration.status is CalibrationStatus.ACQUIRING
            self._count(acquiring=int(acquiring), rejected=int(not acquiring))
            return None
        self._doubts.push(channel)
        moving = self._clutter.push(channel)
        if moving is None:
            return None
        noise = self._noise_power(info, calibration.gain_db) * self._clutter.noise_gain
        return _Snapshot(frame.counter, time_s, noise, moving, channel)

    def _receive(self, frame: Frame) -> tuple[NDArray[np.complexfloating], BlockInfo] | None:
        """Return the channel estimate (rows, tones) of a block in counts, and what is known of it; None without one."""
        info = frame.block or BlockInfo()
        if self._receiver is None:
            if not frame.complete:
                self._count(incomplete=1)
                return None
            return self._sensor.decode(frame)[0], info
        valid = None if frame.complete else self._sensor.decode_valid(frame)[0]
        received = self._receiver(self._sensor.decode(frame)[0], info, valid)
        if received is None:
            self._count(unsynchronised=1)
        elif not received[0].any(axis=1).all():  # the reference symbol of a row has a hole
            self._count(incomplete=1)
            received = None
        return received

    def _time_s(self, frame: Frame) -> float:
        """Return when the reference symbol of a block began: by the sample clock, or as the radio is known to place it.

        Radios that count no samples leave the tick at 0.
        """
        if frame.block is not None and frame.block.tick > 0:
            return frame.block.tick / self._sensor.sample_rate_hz
        return frame.device_time_s + self._sensor.stagger_of(frame.counter)

    def _noise_power(self, info: BlockInfo, level_db: float) -> float:
        """Return the noise power in an element of a calibrated channel; NaN if it is not known."""
        if self._config.calibration.method == "antenna-ratio":
            return math.nan  # a ratio has another scale, and no noise of its own
        return info.noise_power * self._sensor.csi_scale**2 * float(db_to_power(-info.gain_db - level_db))

    def _count(self, **more: int) -> None:
        self._skipped = replace(self._skipped, **{name: getattr(self._skipped, name) + n for name, n in more.items()})

    # --- a window ----------------------------------------------------------------------------------------------------

    def _estimate(self) -> OfdmChainOutput:
        """Return what the window shows."""
        times_s = np.array([one.time_s for one in self._window])
        time_s = float(times_s.mean())
        noise = [one.noise_power for one in self._window if math.isfinite(one.noise_power)]
        noise_power = float(np.mean(noise)) if noise else math.nan
        snapshots = np.stack([one.channel for one in self._window])
        found = self._music(snapshots, time_s, noise_power, times_s)
        doubtful = self._doubts(found.paths, snapshots, found.noise_power)
        return OfdmChainOutput(
            time_s=time_s,
            detections=self._targets(found.paths, doubtful),
            spectrum=found.spectrum,
            paths=found.paths,
            calibrations=self.take_calibrations(),
            products=self._products(),
        )

    def _products(self) -> Products:
        """Return the newest block, and the blocks since the last output if they are asked for."""
        newest, shown = self._window[-1], self._shown
        self._shown = newest.counter
        blocks = None
        if Product.SLOW_TIME in self.wanted:
            new = [one for one in self._window if one.counter > shown]
            blocks = MovingBlocks(
                time_s=np.array([one.time_s for one in new]),
                channel=np.stack([one.channel for one in new]),
                sensor=self._sensor,
            )
        channel = BlockChannel(
            counter=newest.counter,
            time_s=newest.time_s,
            before=newest.calibrated.astype(np.complex64),
            after=newest.channel.astype(np.complex64),
            sensor=self._sensor,
        )
        return Products(channel=channel, blocks=blocks)


def _longest_path_m(sensor: OfdmSensor, max_excess_m: float | None) -> float:
    """Return the longest path that is looked at."""
    if max_excess_m is None or sensor.tx_position_m is None:
        return sensor.path_max_m
    return min(sensor.path_max_m, sensor.direct_path_m + max_excess_m)
