"""2D-MUSIC as it is written and as a competent user writes it: what ours is compared with.

All give ``1 - a^H En En^H a / D``, see `isactrack.processing.music_spectrum.SpectrumGrid`, on the same grid.
"""

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]


def literal_share(
    snapshots: ComplexArray, order: int, along_rows: ComplexArray, along_tones: ComplexArray
) -> FloatArray:
    """Return the share (azimuth, path) by the covariance (D, D), its eigenvectors and the noise subspace (eq. 4, 5).

    The grid is gone through delay by delay, because all steering vectors at once would fill 450 MB.

    Parameters
    ----------
    snapshots
        Snapshots (T, P N).
    order
        L.
    along_rows, along_tones
        Steering vectors (azimuth, P) and (path, N).
    """
    covariance = snapshots.T @ np.conj(snapshots) / snapshots.shape[0]
    _, vectors = np.linalg.eigh(covariance)
    noise = vectors[:, : covariance.shape[0] - order]
    out = np.empty((along_rows.shape[0], along_tones.shape[0]))
    for i, tones in enumerate(along_tones):
        steering = (along_rows[:, :, None] * tones).reshape(along_rows.shape[0], -1)
        out[:, i] = np.sum(np.abs(np.conj(steering) @ noise) ** 2, axis=1)
    return np.asarray(1.0 - out / covariance.shape[0])


def dense_steering(along_rows: ComplexArray, along_tones: ComplexArray) -> ComplexArray:
    """Return all steering vectors (azimuth path, P N) of a grid; 450 MB for P = 8, N = 76 and 181 x 256 points."""
    every = along_rows[:, None, :, None] * along_tones[None, :, None, :]
    return np.asarray(every.reshape(along_rows.shape[0] * along_tones.shape[0], -1))


def dense_share(snapshots: ComplexArray, order: int, steering: ComplexArray) -> FloatArray:
    """Return the share (azimuth path,) by an economy SVD of the snapshots and the signal subspace.

    Parameters
    ----------
    snapshots
        Snapshots (T, P N).
    order
        L.
    steering
        Of `dense_steering`; it does not depend on the data and need not be made again.
    """
    signal = np.linalg.svd(snapshots.T, full_matrices=False)[0][:, :order]
    # |a^H u| is |conj(a) u| or |a conj(u)|: of the two the small factor is conjugated.
    product = steering @ np.conj(signal)
    return np.asarray(np.sum(product.real**2 + product.imag**2, axis=1) / signal.shape[0])
