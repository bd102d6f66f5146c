"""One Newton step on the power that a line explains, in any number of dimensions."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def index_powers(count: int) -> ComplexArray:
    """Return the rows 1, ``-j i`` and ``-i^2`` (3, count), i counted from the middle of the axis.

    They are what derivatives of ``exp(-j omega i)`` multiply it by. Counted from the middle the odd sums are 0.
    """
    index = np.arange(count) - (count - 1) / 2.0
    return np.stack([np.ones(count), -1j * index, -(index**2)]).astype(np.complex128)


def newton_step(value: ComplexArray, slope: ComplexArray, curvature: ComplexArray, cell: FloatArray) -> FloatArray:
    """Return the change (d,) of the frequencies that takes ``S = sum_l |c_l|^2`` to its maximum.

    The step is that of log S, which has the same maximum and is concave over the whole main lobe. S itself is not
    concave half a bin off in two or three axes at a time, and its steps are worse where it is.

    Parameters
    ----------
    value
        Inner products c (L,) of atom and data.
    slope, curvature
        Their derivatives (d, L) and (d, d, L) with respect to the frequencies.
    cell
        Longest credible step (d,): a cell of the grid that the line was found on.

    Returns
    -------
    ndarray
        Newton's step where log S is concave and the step stays within a cell an axis; else a quarter of a cell along
        the sign of the slope.
    """
    power = float(np.sum(np.abs(value) ** 2))
    if power <= 0.0:
        return np.zeros(cell.size)
    # Half the gradient of log S, and half its Hessian.
    gradient = np.real(slope @ np.conj(value)) / power
    hessian = np.real(slope @ np.conj(slope).T + curvature @ np.conj(value)) / power
    hessian -= 2.0 * np.outer(gradient, gradient)
    # Scaled by the cells the axes are alike, so that one test of the eigenvalues serves both.
    scaled = hessian * np.outer(cell, cell)
    if np.linalg.eigvalsh(scaled)[-1] < 0.0:
        step = -np.linalg.solve(scaled, gradient * cell)
        if np.all(np.abs(step) <= 1.0):
            return np.asarray(step * cell)
    return np.asarray(0.25 * cell * np.sign(gradient))
