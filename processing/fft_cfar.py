"""2D-FFT-CFAR, the detector that mnomp-spa-kf compares with (sec. IV-A).

Two-dimensional FFT of each antenna with rectangular windows, power over the antennas, cell-averaging CFAR, local
maxima.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from isactrack.processing.cfar import ca_cfar_2d
from isactrack.processing.continuous_cfar import cell_probability
from isactrack.processing.line_model import correlate, synthesise, wrap_positive, wrap_symmetric
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import MnompConfig
from isactrack.processing.peaks import WindowResponse, interpolate, local_maxima

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def fft_cfar(
    data: NDArray[np.complexfloating], config: MnompConfig | None = None, *, between_bins: bool = False
) -> SpectralLines:
    """Return the peaks of a frame's range-Doppler map that pass the CFAR, as lines, the strongest first.

    Parameters
    ----------
    data
        Samples (M, L, N): loop, antenna, sample.
    config
        Settings of which the probability of false alarm, the training and guard cells and `k_max` are used. There
        is nothing to be told of side lobes: with rectangular windows those of a line 13 dB over its threshold pass it.
    between_bins
        Place the peaks between the bins from their larger neighbours, and take the gains there. Without it the
        frequencies are those of bins, as in the paper.

    Returns
    -------
    SpectralLines
        The gain of a peak is that of its cell, and says nothing of other peaks that leak into it.
    """
    settings = config if config is not None else MnompConfig()
    frame = np.asarray(data, dtype=np.complex128)
    n_loops, n_antennas, n_samples = frame.shape
    spectrum = scipy.fft.fft2(frame, axes=(0, 2))
    power = np.sum(spectrum.real**2 + spectrum.imag**2, axis=1)
    p_cell = cell_probability(settings.p_overall, settings.p_cell, n_loops * n_samples)
    cfar = ca_cfar_2d(power, settings.training_cells, settings.guard_cells, p_cell, n_antennas)
    doppler, range_ = local_maxima(power, cfar.mask)
    order = np.argsort(-power[doppler, range_], kind="stable")[: settings.k_max]
    doppler, range_ = doppler[order], range_[order]
    doppler_bin, range_bin = doppler.astype(np.float64), range_.astype(np.float64)
    if between_bins:
        response = WindowResponse(np.ones(n_loops)), WindowResponse(np.ones(n_samples))
        peaks = interpolate(power, doppler, range_, response)
        doppler_bin, range_bin = peaks.doppler_bin, peaks.range_bin
    range_rad = wrap_positive(2.0 * np.pi * range_bin / n_samples)
    doppler_rad = wrap_symmetric(2.0 * np.pi * doppler_bin / n_loops)
    if between_bins:
        gain = correlate(frame, range_rad, doppler_rad) / (n_loops * n_samples)
    else:
        gain = np.asarray(spectrum[doppler, :, range_] / (n_loops * n_samples))
    rest = frame - synthesise(range_rad, doppler_rad, gain, frame.shape)
    return SpectralLines(
        range_rad=range_rad,
        doppler_rad=doppler_rad,
        gain=gain,
        noise_power=cfar.noise[doppler, range_] / (n_loops * n_samples * n_antennas),
        residual_power=float(np.mean(rest.real**2 + rest.imag**2)),
    )
