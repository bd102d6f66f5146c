"""Sets of labelled states at one instant, in which every metric takes truth and tracks (mnomp-spa-kf eq. 44, 45)."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.errors import ConfigError
from isactrack.tracks import Track
from isactrack.truth import Truth

FloatArray = NDArray[np.float64]

Base = Literal["position", "state"]
"""What the distance of two states is taken of: the position alone (m), or the whole state (m and m/s added alike)."""

_COLUMNS: dict[Base, list[int]] = {"position": [0, 2], "state": [0, 1, 2, 3]}


class LabelledSet(NamedTuple):
    """Labelled states at one instant.

    Attributes
    ----------
    label
        Identities (n,) int64, each at most once.
    state
        States (n, 4) float64: x (m), vx (m/s), y (m), vy (m/s), as in `Track`. Velocities are NaN where none are known.
    covariance
        Covariances (n, 4, 4) float64 of the states, None where none are known.
    """

    label: NDArray[np.int64]
    state: FloatArray
    covariance: FloatArray | None = None

    @classmethod
    def of(cls, label: ArrayLike, position_m: ArrayLike, velocity_mps: ArrayLike | None = None) -> Self:
        """Return the set of labels (n,), positions (n, 2) m and, if known, velocities (n, 2) m/s."""
        labels = np.asarray(label, dtype=np.int64).ravel()
        state = np.full((labels.size, 4), np.nan)
        state[:, ::2] = np.asarray(position_m, dtype=np.float64).reshape(labels.size, 2)
        if velocity_mps is not None:
            state[:, 1::2] = np.asarray(velocity_mps, dtype=np.float64).reshape(labels.size, 2)
        return cls(labels, state)

    @classmethod
    def of_tracks(cls, tracks: Iterable[Track], confirmed_only: bool = True) -> Self:
        """Return the set of the tracks of one step, with their covariances."""
        chosen = [track for track in tracks if track.is_confirmed or not confirmed_only]
        return cls(
            np.array([track.track_id for track in chosen], dtype=np.int64),
            np.array([track.state for track in chosen], dtype=np.float64).reshape(-1, 4),
            np.array([track.covariance for track in chosen], dtype=np.float64).reshape(-1, 4, 4),
        )

    @classmethod
    def of_truth(cls, truth: Truth) -> Self:
        """Return the set of the targets of one instant."""
        return cls.of(truth.target_id, truth.position_m, truth.velocity_mps)

    def points(self, base: Base) -> FloatArray:
        """Return what distances are taken of: (n, 2) positions or (n, 4) states.

        Raises
        ------
        ConfigError
            If the whole state is asked for and a velocity is not known, or `base` is neither.
        """
        if base not in _COLUMNS:
            raise ConfigError(f"the base of the metric is {base!r}", "give 'position' or 'state'")
        points = self.state[:, _COLUMNS[base]]
        if np.isnan(points).any():
            raise ConfigError(
                f"a metric of the {base} met a state that is not known in full",
                "give velocities too, or take the metric of the position",
            )
        return points


Scans = Sequence[LabelledSet]
"""Labelled sets of successive instants."""


def require_same_length(estimates: Scans, truths: Scans) -> None:
    """Raise ConfigError unless both have a set for every instant."""
    if len(estimates) != len(truths):
        raise ConfigError(
            f"{len(estimates)} sets of tracks for {len(truths)} sets of targets", "give one of each for every instant"
        )


def pair_distances(X: ArrayLike, Y: ArrayLike) -> FloatArray:
    """Return the Euclidean distances (m, n) between points (m, d) and (n, d)."""
    x, y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    if x.size == 0 or y.size == 0:
        return np.zeros((len(x) if x.size else 0, len(y) if y.size else 0))
    return np.asarray(np.linalg.norm(x[:, None, :] - y[None, :, :], axis=-1))
