"""A short report of what a radio's recording shows: how its blocks fared, and its strongest path."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from isactrack.processing.channel import BlockCalibration, CalibrationStatus, Paths
from isactrack.processing.ofdm_chain import SkippedBlocks


@dataclass(frozen=True, slots=True, kw_only=True)
class StrongestPath:
    """The path by way of something that moves of the highest power over noise; see `Paths`."""

    time_s: float
    path_m: float
    azimuth_rad: float
    snr_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioReport:
    """How the blocks of a recording fared.

    Attributes
    ----------
    blocks
        Blocks by what became of them: the names of `CalibrationStatus`, and ``"incomplete"``, ``"flagged"`` and
        ``"unsynchronised"`` for those that were not calibrated at all.
    median_quality
        Median fit of the blocks to the reference, 0 to 1; None if none was calibrated.
    delay_spread_s
        From the smallest delay that was taken off a block to the largest; None if none was calibrated.
    paths
        Paths that were found in all estimates together.
    strongest
        The strongest of them; None if there is none.
    """

    blocks: dict[str, int]
    median_quality: float | None
    delay_spread_s: float | None
    paths: int
    strongest: StrongestPath | None


def radio_report(
    calibrations: Sequence[BlockCalibration], skipped: SkippedBlocks, paths: Iterable[Paths]
) -> RadioReport:
    """Sum up what the chain made of a recording.

    Parameters
    ----------
    calibrations
        What was taken off each block.
    skipped
        The blocks that did not enter.
    paths
        What was found in each estimate.
    """
    statuses = Counter(one.status for one in calibrations)
    blocks = {status.value: statuses[status] for status in CalibrationStatus}
    blocks |= {name: getattr(skipped, name) for name in ("incomplete", "flagged", "unsynchronised")}
    good = [one for one in calibrations if one.status in (CalibrationStatus.LOCKED, CalibrationStatus.HELD)]
    delays = np.array([one.delay_s for one in good])
    found = [one for one in paths if len(one)]
    best = max(found, key=lambda one: float(one.snr_db.max()), default=None)
    strongest = None
    if best is not None:
        row = int(np.argmax(best.snr_db))
        strongest = StrongestPath(
            time_s=best.time_s,
            path_m=float(best.path_m[row]),
            azimuth_rad=float(best.azimuth_rad[row]),
            snr_db=float(best.snr_db[row]),
        )
    return RadioReport(
        blocks=blocks,
        median_quality=float(np.median([one.quality for one in good])) if good else None,
        delay_spread_s=float(np.ptp(delays)) if good else None,
        paths=sum(len(one) for one in found),
        strongest=strongest,
    )
