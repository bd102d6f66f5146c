"""From spectral lines to detections: direction from the gains of the antennas, position and its Cramer-Rao bound."""

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy
from isactrack.processing.accuracy import azimuth_std_rad
from isactrack.processing.azimuth import bartlett_azimuth, beam_to_residual, correct_tdm_phase
from isactrack.processing.bounds import position_velocity_crb
from isactrack.processing.lines import SpectralLines
from isactrack.units import power_to_db

FloatArray = NDArray[np.float64]

_SNR_MAX = 1e15


def line_detections(
    lines: SpectralLines,
    sensor: FmcwSensor,
    time_s: float,
    *,
    inflation: float = 1.2,
    range_floor_m: float = 0.0,
    azimuth_floor_rad: float = 0.0,
    min_beam_share: float = 0.0,
    unexplained_is_noise: bool = False,
) -> Detections:
    """Return the detections that lines stand for, in the order of the lines.

    The gains of a line over the antennas are set right for the time between transmitters, and the plane wave that
    fits them best in the sense of least squares gives the azimuth and one complex amplitude (eq. 15 of mnomp-spa-kf).
    Range and radial velocity follow from eq. 10, the covariance is `inflation` times the bound of eq. 17 and 67 at
    the estimate (eq. 21), with the SNR of that amplitude.

    Parameters
    ----------
    lines
        Lines of one frame whose antennas are the virtual elements of `sensor`, transmitter by transmitter.
    sensor
        The sensor.
    time_s
        Device time of the centre of the frame.
    inflation
        kappa of eq. 21, at least 1 for an estimator that does not quite reach the bound.
    range_floor_m, azimuth_floor_rad
        Least standard deviations, added in squares to the inflated bound: a body is no point, and the calibration of
        an array leaves errors.
    min_beam_share
        Least share of the power of the gains that the plane wave explains; lines below it are left out. Two targets
        that share a line can cancel each other on some antennas, and the azimuth then points beside both.
    unexplained_is_noise
        Take what the plane wave leaves of the gains for noise of the azimuth, where it is more than the noise of the
        training cells. For bodies, which are no points, and for arrays that are not calibrated.

    Returns
    -------
    Detections
        One row for each line. `snr_db` is the SNR of an antenna after integration over the frame, averaged over the
        antennas. The velocity's standard deviation is the square root of `inflation` times the bound; the small
        correlation of velocity and azimuth that transmitters in turn bring is left out, as the contract of `Detections`
        says.

    Raises
    ------
    ConfigError
        If the lines do not have a gain for each virtual element.
    """
    elements = sensor.n_tx * sensor.n_rx
    if lines.gain.shape[1:] != (elements,):
        raise ConfigError(
            f"lines with gains of shape {lines.gain.shape} do not fit this sensor of {elements} virtual elements",
            "the lines must come from all antennas of a frame of this sensor",
        )
    samples = sensor.samples_per_chirp * sensor.loops_per_frame
    doppler_bin = lines.doppler_rad * (sensor.loops_per_frame / (2.0 * np.pi))
    snapshots = correct_tdm_phase(lines.gain.reshape(-1, sensor.n_tx, sensor.n_rx), sensor, doppler_bin)
    azimuth, beam_power = bartlett_azimuth(snapshots, sensor)
    total_power = np.sum(np.abs(lines.gain) ** 2, axis=1)
    noise = np.maximum(lines.noise_power, samples * total_power / (elements * _SNR_MAX))
    beam_snr = np.maximum(samples * beam_power / (elements * noise), 1.0 / _SNR_MAX)

    range_m = lines.range_rad * (sensor.range_max_m / (2.0 * np.pi))
    bound = inflation * position_velocity_crb(sensor, beam_snr, range_m, azimuth)
    across_variance = np.full(len(lines), azimuth_floor_rad**2)
    if unexplained_is_noise:
        positions = sensor.virtual_positions
        fit_snr = np.minimum(beam_snr, beam_to_residual(beam_power, total_power, elements))
        fit_variance = azimuth_std_rad(positions, azimuth, fit_snr) ** 2
        across_variance += inflation * (fit_variance - azimuth_std_rad(positions, azimuth, beam_snr) ** 2)
    floor = polar_covariance_to_xy(range_m, azimuth, range_floor_m, np.sqrt(across_variance))
    detections = Detections(
        time_s=time_s,
        position_m=polar_to_xy(range_m, azimuth),
        covariance_m2=bound[:, :2, :2] + floor,
        radial_velocity_mps=lines.doppler_rad * (sensor.velocity_max_mps / np.pi),
        radial_velocity_std_mps=np.sqrt(bound[:, 2, 2]),
        snr_db=power_to_db(samples * total_power / (elements * noise)),
        range_m=range_m,
        azimuth_rad=azimuth,
    )
    if min_beam_share <= 0.0:
        return detections
    return detections.take(beam_power >= min_beam_share * total_power)
