"""Sum-product algorithm: association probabilities by messages between tracks and detections.

The messages are those of mnomp-spa-kf, eq. 35, in likelihood ratios: with ``delta`` from tracks to detections and ``v``
from detections to tracks, both scaled so that "none" has the message 1,

    v[k, h] = 1 / (1 + sum_{k' != k} delta[k', h])                  (35b)
    delta[k, h] = ratio[k, h] / (1 + sum_{h' != h} ratio[k, h'] v[k, h'])      (35a)

starting from ``delta = ratio``. A round costs as much as the gated pairs are many. On a gate graph without cycles the
probabilities are exact once messages have crossed it; else they are those of the Bethe approximation, to which the
rounds converge from any start (Williams and Lau, "Approximate evaluation of marginal association probabilities with
belief propagation", IEEE Trans. Aerosp. Electron. Syst. 50(4), 2014).

The paper iterates a fixed number of times and does not say how often, nor when to stop: here ``Spa()`` does 10 rounds,
and ``Spa(rounds=1000, tolerance=1e-9)`` goes on until the probabilities rest. At the fixed point the tracks' and the
detections' beliefs agree: ``free = 1 - sum_k probability``. After a fixed number of rounds they differ by what one
more would change.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from isactrack.errors import ConfigError
from isactrack.tracking.association import Association, Engine, FloatArray, checked_ratio, takes_numba

if TYPE_CHECKING:
    from collections.abc import Callable

PAPER_ROUNDS: Final = 10


def spa_messages(ratio: FloatArray, rounds: int, tolerance: float = 0.0) -> tuple[FloatArray, FloatArray, int]:
    """Exchange messages for a number of rounds, eq. 35 of mnomp-spa-kf.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m) as `checked_ratio` returns them.
    rounds
        Largest number of rounds, at least 1.
    tolerance
        The rounds end early when one has changed no probability of eq. 36 by more than this; 0 does them all.

    Returns
    -------
    v, delta, done
        Messages (n, m) from detections to tracks and from tracks to detections, and the rounds that were done.
    """
    delta, v = ratio, np.ones_like(ratio)
    belief: Association | None = None
    for done in range(1, rounds + 1):
        v = 1.0 / (1.0 + _sum_of_others(delta, axis=0))
        delta = ratio / (1.0 + _sum_of_others(ratio * v, axis=1))
        if tolerance > 0:
            before, belief = belief, spa_beliefs(ratio, v, delta)
            if before is not None and _largest_change(before, belief) <= tolerance:
                return v, delta, done
    return v, delta, rounds


def spa_beliefs(ratio: FloatArray, v: FloatArray, delta: FloatArray) -> Association:
    """Return the association probabilities that messages stand for, eq. 36 of mnomp-spa-kf.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m).
    v, delta
        Messages (n, m) of `spa_messages`.

    Returns
    -------
    Association
        `missed` and `probability` by eq. 36a, `free` by eq. 36b.
    """
    weight = ratio * v
    total = 1.0 + weight.sum(axis=1)
    return Association(1.0 / total, weight / total[:, None], 1.0 / (1.0 + delta.sum(axis=0)))


class Spa:
    """Associator by the sum-product algorithm, with a fixed number of rounds or to convergence.

    The gate is not its business: a pair that is ruled out by the two- or three-dimensional gate (eq. 68 or eq. 33 of
    mnomp-spa-kf) has the ratio 0.

    Parameters
    ----------
    rounds
        Largest number of rounds of messages.
    tolerance
        Largest change of any probability at which the rounds end early; 0 does all of them.
    engine
        ``"numba"`` compiles the rounds (once per machine, some seconds), ``"numpy"`` does not, ``"auto"`` takes numba
        if it is installed.

    Raises
    ------
    ConfigError
        If `rounds` or `tolerance` make no sense, or numba is asked for and not installed.
    """

    def __init__(
        self,
        *,
        rounds: int = PAPER_ROUNDS,
        tolerance: float = 0.0,
        engine: Engine = "auto",
    ) -> None:
        if rounds < 1:
            raise ConfigError(f"{rounds} rounds of messages", f"the least is 1; the paper's method does {PAPER_ROUNDS}")
        if not tolerance >= 0:
            raise ConfigError(f"the tolerance {tolerance} is no number from 0 up", "1e-9 waits until all is still")
        self.rounds = rounds
        self.tolerance = tolerance
        self._core: Callable[[FloatArray, int, float, FloatArray, FloatArray, FloatArray], int] | None = None
        if takes_numba(engine):
            from isactrack.tracking.association_numba import spa_core

            self._core = spa_core
            self(np.ones((1, 1)))  # compiles or loads it now, and not amid the first frames

    def __call__(self, ratio: FloatArray) -> Association:
        """Associate likelihood ratios (n, m); see `isactrack.tracking.association`."""
        ratio = checked_ratio(ratio)
        if self._core is not None:
            n, m = ratio.shape
            result = Association(np.empty(n), np.empty((n, m)), np.empty(m))
            self._core(ratio, self.rounds, float(self.tolerance), *result)
            return result
        v, delta, _ = spa_messages(ratio, self.rounds, self.tolerance)
        return spa_beliefs(ratio, v, delta)


def _sum_of_others(a: FloatArray, axis: int) -> FloatArray:
    """Return for each entry of a matrix the sum of the others along an axis.

    The total less the entry would lose all digits of the others beside a large entry, so the sums before and after it
    are added instead.
    """
    a = np.moveaxis(a, axis, 0)
    before, after = np.zeros_like(a), np.zeros_like(a)
    np.cumsum(a[:-1], axis=0, out=before[1:])
    np.cumsum(a[:0:-1], axis=0, out=after[-2::-1])
    return np.moveaxis(before + after, 0, axis)


def _largest_change(before: Association, after: Association) -> float:
    return max(float(np.max(np.abs(new - old), initial=0.0)) for old, new in zip(before, after, strict=True))
