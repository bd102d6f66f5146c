"""What `isactrack session` makes of the tracks of several devices: one table and one figure, in the room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from isactrack.acquisition.overlay import Overlay, overlay, tracks_in_room
from isactrack.recordings import RecordingFolder, TrackTable
from isactrack.recordings.tables import write_room_tracks_csv

TABLE, FIGURE = "room-tracks.csv", "overlay.png"
"""Files in the folder of the recording; the names of streams' own tables begin with ``tracks-``."""


@dataclass(frozen=True, slots=True)
class FolderOverlay:
    """The tracks of the devices of a folder over each other.

    Attributes
    ----------
    reference
        The device that the others are compared with: the first that has a clock.
    pairs
        The pairs of its tracks with those of each other device.
    files
        What was written.
    """

    reference: str = ""
    pairs: Mapping[str, Overlay] = field(default_factory=dict)
    files: Sequence[Path] = ()

    def keys(self) -> dict[str, object]:
        """Return what is printed with ``--json``."""
        return {
            "overlays": [
                {
                    "reference": self.reference,
                    "stream": name,
                    "pairs": len(one),
                    "reference_points": one.first_points,
                    "stream_points": one.second_points,
                    "median_distance_m": _quantile(one, 0.5),
                    "p90_distance_m": _quantile(one, 0.9),
                }
                for name, one in self.pairs.items()
            ],
            "overlay_files": [str(file) for file in self.files],
        }

    def facts(self) -> dict[str, object]:
        """Return what is printed for people."""
        facts: dict[str, object] = {}
        for name, one in self.pairs.items():
            median_m, p90_m = _quantile(one, 0.5), _quantile(one, 0.9)
            facts[f"{name} over {self.reference}"] = (
                "no track in common"
                if median_m is None
                else f"{median_m:.2f} m apart, 90 % below {p90_m:.2f} m, {len(one)} pairs of {one.first_points}"
            )
        if self.files:
            facts["in the room"] = ", ".join(map(str, self.files))
        return facts


def overlay_folder(folder: RecordingFolder, tables: Mapping[str, TrackTable]) -> FolderOverlay:
    """Write the tracks of all devices in the frame of the room, draw them if matplotlib is installed, and compare them.

    Parameters
    ----------
    folder
        The recording.
    tables
        Tracks by the names of the devices.

    Returns
    -------
    FolderOverlay
        Empty where fewer than two devices have a clock.
    """
    moved = tracks_in_room(folder.streams, tables)
    if len(moved) < 2:
        return FolderOverlay()
    first, *others = moved
    pairs = {name: overlay(moved[first], moved[name]) for name in others}
    files = [folder.path / TABLE]
    write_room_tracks_csv(files[0], moved)
    if find_spec("matplotlib") is not None:
        from isactrack.experiments.overlay_figure import save_overlay

        files.append(folder.path / FIGURE)
        save_overlay(files[1], {name: folder.streams[name] for name in moved}, moved, pairs)
    return FolderOverlay(first, pairs, files)


def _quantile(pairs: Overlay, share: float) -> float | None:
    return float(np.quantile(pairs.distance_m, share)) if len(pairs) else None
