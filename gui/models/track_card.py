"""What the pointer says of a track in the plan, and where detections were before."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import radial_velocity
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]

MOST_PAST: Final = 3000
"""Former detections that are shown; the newest of them."""


def track_at(tracks: Sequence[Track], x_m: float, y_m: float, reach_m: float) -> Track | None:
    """Return the track that is nearest to a point, None if none is within reach (m)."""
    if not tracks:
        return None
    distance = np.hypot(*(np.array([track.state[[0, 2]] for track in tracks]) - (x_m, y_m)).T)
    distance = np.where(np.isfinite(distance), distance, math.inf)
    nearest = int(np.argmin(distance))
    return tracks[nearest] if distance[nearest] <= reach_m else None


def card_text(track: Track) -> str:
    """Return what is known of a track, in a few lines."""
    speed = float(np.hypot(*track.velocity_mps))
    radial = float(radial_velocity(track.position_m, track.velocity_mps))
    steps = "1 step" if track.age == 1 else f"{track.age} steps"
    return "\n".join(
        (
            f"Track {track.track_id}, {track.status.value}",
            f"{steps} old, exists with {100.0 * track.existence:.1f} %",
            f"{speed:.2f} m/s, radial {radial:+.2f} m/s",
        )
    )


def past_detections(history: Sequence[Snapshot], most: int = MOST_PAST) -> FloatArray:
    """Return the places (n, 2) of the detections before the last of some snapshots, at most so many of the newest."""
    places: list[FloatArray] = []
    count = 0
    for snapshot in reversed(history[:-1]):
        if count >= most:
            break
        places.append(snapshot.detections.position_m)
        count += len(places[-1])
    return np.concatenate(places)[:most] if places else np.zeros((0, 2))
