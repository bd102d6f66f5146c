"""Probabilistic data association: each track on its own, as if the others were not there."""

import numpy as np

from isactrack.tracking.association import Association, FloatArray, checked_ratio


def pda_marginals(ratio: FloatArray) -> Association:
    """Return the association probabilities of tracks that do not compete for detections.

    Track k made detection h with probability ``ratio[k, h] / (1 + sum_h' ratio[k, h'])``. Several tracks may claim the
    same detection, so that columns of `probability` can add up to more than 1; `free` is the probability that none
    claims it, ``prod_k (1 - probability[k, h])``, each track deciding on its own.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m) as `checked_ratio` returns them.

    Returns
    -------
    Association
        Probabilities; exact where no detection lies in two gates.
    """
    total = 1.0 + ratio.sum(axis=1)
    probability = ratio / total[:, None]
    return Association(1.0 / total, probability, np.prod(1.0 - probability, axis=0))


class Pda:
    """Associator of independent tracks, see `pda_marginals`.

    It is the cheapest soft method. Tracks that come close share their detections and tend to merge.
    """

    def __call__(self, ratio: FloatArray) -> Association:
        """Associate likelihood ratios (n, m); see `isactrack.tracking.association`."""
        return pda_marginals(checked_ratio(ratio))
