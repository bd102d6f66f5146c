"""Fig. 3 and 5 of mnomp-spa-kf: how the errors of MNOMP scatter beside the Cramer-Rao bound.

Fig. 3: estimates of one target around two places, and the ellipse of the bound that should hold 95 % of them. Fig. 5:
mean squared error of both coordinates over the SNR, of MNOMP and of NOMP in three dimensions, and the bound.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.experiments.experiment import Experiment, Parameters, Result, Row, Summary, Verdict
from isactrack.experiments.intervals import mean_interval, share_interval
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor, simulate_frame
from isactrack.experiments.plotting import COLOURS, PAGE_WIDTH_IN, drawing
from isactrack.geometry import xy_to_polar
from isactrack.processing.bounds import position_crb
from isactrack.processing.line_detections import line_detections
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import MnompConfig, mnomp_cfar
from isactrack.processing.nomp3d import nomp3d_cfar
from isactrack.units import db_to_power, power_to_db

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

GATE: Final = 0.95
"""Share that the ellipse is drawn for, P_G."""
SPEED_MPS: Final = 3.0
"""Largest speed along an axis; it is drawn anew for each trial, so that no trial profits from a bin."""
ONE_LINE: Final = MnompConfig(k_max=1, p_cell=0.01)
"""Fig. 5 knows that there is one target: the strongest line is taken, whether or not noise could have made it."""
_THRESHOLD_DB: Final = {"mnomp": 17.0, "nomp3d": 15.0}
_NAMES: Final = {"mnomp": "2D-MNOMP", "nomp3d": "3D-NOMP"}
_NEAR_DB: Final = 1.0
_RATIO_MAX_DB: Final = 5.0


def fig3_trial(seed: int, parameters: Parameters) -> Result:
    """Estimate the place of one target at each of two places from a frame each.

    Parameters
    ----------
    seed
        Seed of noise, phase and velocity.
    parameters
        ``position_m`` (k, 2) and ``snr_db``.

    Returns
    -------
    dict
        ``estimate_m``, for each place the detection nearest to it, or None if there is none within a metre;
        ``covariance_m2``, the bound at that detection (kappa 1); ``position_m`` and ``snr_db`` as given.
    """
    sensor, rng = paper_sensor(), np.random.default_rng(seed)
    estimates: list[list[float] | None] = []
    covariances: list[list[list[float]] | None] = []
    for place in np.asarray(parameters["position_m"], dtype=np.float64):
        velocity = rng.uniform(-SPEED_MPS, SPEED_MPS, (1, 2))
        frame = simulate_frame(sensor, place[None], velocity, parameters["snr_db"], rng)
        detections = line_detections(mnomp_cfar(frame), sensor, 0.0, inflation=1.0)
        distance = np.linalg.norm(detections.position_m - place, axis=1)
        nearest = int(np.argmin(distance)) if distance.size else -1
        if nearest < 0 or distance[nearest] > 1.0:
            estimates.append(None)
            covariances.append(None)
        else:
            estimates.append(detections.position_m[nearest].tolist())
            covariances.append(detections.covariance_m2[nearest].tolist())
    return {
        "position_m": parameters["position_m"],
        "snr_db": parameters["snr_db"],
        "estimate_m": estimates,
        "covariance_m2": covariances,
    }


def fig3_summary(results: Sequence[Result]) -> Summary:
    """Count the estimates inside the ellipses of both places."""
    rows = []
    bounds = _bounds_of(results[0])
    errors = [_errors(results, place) for place in range(len(bounds))]
    for kappa, said, low, high in ((1.0, "93 %", 0.90, 0.96), (1.2, "96 %", 0.93, 0.99)):
        inside = [_inside(e, kappa * bound) for e, bound in zip(errors, bounds, strict=True)]
        share = share_interval(int(np.sum(inside)), int(np.size(inside)))
        rows.append(
            Row(
                quantity=f"share inside the 95 % ellipse, kappa = {kappa:g}", paper=said, ours=share.estimate,
                interval=share.bounds, verdict=Verdict.of(low <= share.estimate <= high),
            )
        )  # fmt: skip
        for place, each in zip(results[0]["position_m"], inside, strict=True):
            one = share_interval(int(each.sum()), each.size)
            rows.append(
                Row(quantity=f"    at ({place[0]:g}, {place[1]:g}) m", paper="", ours=one.estimate, interval=one.bounds)
            )
    circles = [_inside(e, _circle(bound)) for e, bound in zip(errors, bounds, strict=True)]
    share = share_interval(int(np.sum(circles)), int(np.size(circles)))
    rows.append(
        Row(
            quantity="share inside the circle of the mean axis", paper="does not fit the scatter", ours=share.estimate,
            interval=share.bounds, verdict=Verdict.of(share.bounds[1] < GATE),
        )
    )  # fmt: skip
    own = np.array([flag for place in range(len(bounds)) for flag in _inside_own(results, place)])
    share = share_interval(int(own.sum()), own.size)
    rows.append(
        Row(
            quantity="true place inside the ellipse of the estimate, kappa = 1", paper="", ours=share.estimate,
            interval=share.bounds,
        )
    )  # fmt: skip
    notes = (
        "The ellipse is that of eq. 17 at the true place. An estimator at the bound has 95.0 % in it with kappa = 1 "
        "and 97.3 % with kappa = 1.2; a place without a detection within a metre counts as outside.",
        f"The target moves at up to {SPEED_MPS:g} m/s along each axis, drawn for each frame; the paper says nothing.",
    )
    return Summary(rows=tuple(rows), notes=notes)


def draw_fig3(results: Sequence[Result], path: Path) -> None:
    """Draw the estimates around both places with the ellipses of kappa 1 and 1.2 and the circle.

    Parameters
    ----------
    results
        Results of `fig3_trial`.
    path
        Where to write.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or does not know the format.
    """
    with drawing(path, PAGE_WIDTH_IN, 3.35) as figure:
        bounds = _bounds_of(results[0])
        axes = figure.subplots(1, len(bounds), squeeze=False, sharex=True, sharey=True)[0]
        for place, (ax, bound) in enumerate(zip(axes, bounds, strict=True)):
            _draw_scatter(ax, results, place, bound)
            ax.set_title(f"({chr(ord('a') + place)}) " + ax.get_title())
        axes[0].set_ylabel("y error (cm)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), handlelength=1.8)


def fig5_trial(seed: int, parameters: Parameters) -> Result:
    """Estimate the place of one target at each SNR, by MNOMP and by NOMP in three dimensions.

    Parameters
    ----------
    seed
        Seed of noise, phase and velocity; each SNR has noise of its own.
    parameters
        ``position_m`` (2,) and ``snr_db``, a list.

    Returns
    -------
    dict
        ``snr_db``; ``bound_m2``, the bound of the variances of x and y at each; ``mnomp_m`` and ``nomp3d_m``, the
        errors of x and y at each, None where no line was found.
    """
    sensor, rng = paper_sensor(), np.random.default_rng(seed)
    place = np.asarray(parameters["position_m"], dtype=np.float64)
    errors: dict[str, list[list[float] | None]] = {"mnomp": [], "nomp3d": []}
    for snr_db in parameters["snr_db"]:
        velocity = rng.uniform(-SPEED_MPS, SPEED_MPS, (1, 2))
        frame = simulate_frame(sensor, place[None], velocity, snr_db, rng)
        found = {"mnomp": mnomp_cfar(frame, ONE_LINE), "nomp3d": nomp3d_cfar(frame, ONE_LINE).lines}
        for name, lines in found.items():
            errors[name].append(_error_of_one(lines, place))
    bound = position_crb(sensor, db_to_power(parameters["snr_db"]), *xy_to_polar(place))
    return {
        "position_m": parameters["position_m"],
        "snr_db": parameters["snr_db"],
        "bound_m2": bound[:, [0, 1], [0, 1]].tolist(),
        "mnomp_m": errors["mnomp"],
        "nomp3d_m": errors["nomp3d"],
    }


def fig5_summary(results: Sequence[Result]) -> Summary:
    """Compare the mean squared error of the position with the bound over the SNR."""
    snr, bound = np.array(results[0]["snr_db"]), np.array(results[0]["bound_m2"])
    rows, data = [], {"snr_db": snr.tolist(), "bound_m2": bound.tolist()}
    for key, threshold in _THRESHOLD_DB.items():
        squared = _squared_errors(results, key)
        data[f"{key}_mse_m2"] = np.mean(squared, axis=0).tolist()
        ratio = np.sum(squared, axis=2) / np.sum(bound, axis=1)
        excess_db = power_to_db(np.mean(ratio, axis=0))
        far = np.flatnonzero(excess_db > _NEAR_DB)
        first = snr[0] if far.size == 0 else (snr[far[-1] + 1] if far[-1] + 1 < snr.size else np.inf)
        rows.append(
            Row(
                quantity=f"{_NAMES[key]}: least SNR from which the MSE is within 1 dB of the bound (dB)",
                paper=f"{threshold:g}", ours=float(first) if np.isfinite(first) else None,
                verdict=Verdict.of(bool(first <= threshold)),
            )
        )  # fmt: skip
        above = snr >= threshold
        pooled = mean_interval(np.mean(ratio[:, above], axis=1))
        low, high = (float(power_to_db(max(value, 1e-3))) for value in pooled.bounds)
        rows.append(
            Row(
                quantity=f"{_NAMES[key]}: MSE of the position over the bound from {threshold:g} dB up (dB)",
                paper="0", ours=float(power_to_db(pooled.estimate)), interval=(low, high),
                verdict=Verdict.of(bool(np.max(excess_db[above]) <= _NEAR_DB)),
            )
        )  # fmt: skip
        rows.append(
            Row(
                quantity=f"{_NAMES[key]}: the greatest of them (dB)", paper="", ours=float(np.max(excess_db[above])),
            )
        )  # fmt: skip
    place = results[0]["position_m"]
    notes = (
        f"One target at ({place[0]:g}, {place[1]:g}) m, which is known to be one: the strongest line is taken. The "
        "paper names neither the place nor the velocity; here the latter is drawn for each frame.",
        "The SNR is that of one antenna, integrated over the samples of the frame.",
    )
    return Summary(rows=tuple(rows), notes=notes, data=data)


def draw_fig5(results: Sequence[Result], path: Path) -> None:
    """Draw mean squared error and bound of both coordinates over the SNR, and their ratio.

    Parameters
    ----------
    results
        Results of `fig5_trial`.
    path
        Where to write.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or does not know the format.
    """
    snr, bound = np.array(results[0]["snr_db"]), np.array(results[0]["bound_m2"])
    # One marker fits into the other: at the bound both are in the same place.
    marks = {"mnomp": ("o", 6.5, COLOURS[0]), "nomp3d": ("s", 3.0, COLOURS[1])}
    with drawing(path, PAGE_WIDTH_IN, 4.1) as figure:
        axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(1.7, 1.0))
        for axis, name in enumerate(("x", "y")):
            top, bottom = axes[0, axis], axes[1, axis]
            top.semilogy(snr, bound[:, axis], "-", lw=1.0, color="0.15", label="CRB (eq. 17)")
            for key, (marker, size, colour) in marks.items():
                squared = _squared_errors(results, key)[:, :, axis]
                mse = np.mean(squared, axis=0)
                spread = 1.96 * np.std(squared, axis=0, ddof=1 if len(squared) > 1 else 0) / np.sqrt(len(squared))
                style: dict[str, Any] = {"marker": marker, "ms": size, "mfc": "white", "mew": 0.9, "lw": 0.8}
                top.semilogy(snr, mse, color=colour, label=_NAMES[key], **style)
                ratio, edge = mse / bound[:, axis], spread / bound[:, axis]
                low, high = power_to_db(np.maximum(ratio - edge, 1e-3)), power_to_db(ratio + edge)
                shown = power_to_db(ratio) < _RATIO_MAX_DB
                bottom.fill_between(snr, low, high, where=shown, color=colour, alpha=0.15, lw=0.0)
                bottom.plot(snr, power_to_db(ratio), color=colour, **style)
            bottom.axhline(0.0, lw=0.8, color="0.15")
            bottom.axhline(_NEAR_DB, lw=0.6, ls=":", color="0.4")
            for key, (_, _, colour) in marks.items():
                top.axvline(_THRESHOLD_DB[key], lw=0.7, ls="--", color=colour, zorder=0)
                bottom.axvline(_THRESHOLD_DB[key], lw=0.7, ls="--", color=colour, zorder=0)
            top.set_title(f"({'ab'[axis]}) $p_{name}$")
            bottom.set(xlabel="SNR of an antenna after integration (dB)", ylim=(-1.5, _RATIO_MAX_DB))
            for ax in (top, bottom):
                ax.grid(True, lw=0.3, color="0.88")
                ax.set_axisbelow(True)
        axes[0, 0].set_ylabel("MSE (m²)")
        axes[1, 0].set_ylabel("MSE / CRB (dB)")
        axes[0, 1].legend(loc="upper right")
        axes[0, 0].text(
            0.03, 0.05, "dashed: where the paper\nreaches the bound", transform=axes[0, 0].transAxes,
            ha="left", va="bottom", fontsize=7.0, color="0.35",
        )  # fmt: skip


def _bounds_of(result: Result) -> FloatArray:
    """Return the bounds (k, 2, 2) at the true places."""
    range_m, azimuth_rad = xy_to_polar(result["position_m"])
    return position_crb(paper_sensor(), float(db_to_power(result["snr_db"])), range_m, azimuth_rad)


def _errors(results: Sequence[Result], place: int) -> FloatArray:
    """Return the errors (trials, 2) of the estimates of a place, NaN where there is none."""
    truth = np.array(results[0]["position_m"][place])
    found = [r["estimate_m"][place] for r in results]
    return np.array([[np.nan, np.nan] if e is None else np.array(e) - truth for e in found], dtype=np.float64)


def _inside(errors: FloatArray, covariance: FloatArray) -> NDArray[np.bool_]:
    """Return which errors (n, 2) are inside the ellipse that holds `GATE` of a normal distribution; NaN is outside."""
    distance = np.einsum("ni,ij,nj->n", errors, np.linalg.inv(covariance), errors)
    return np.asarray(distance <= _gate_distance())


def _inside_own(results: Sequence[Result], place: int) -> list[bool]:
    """Return for each trial whether the true place is inside the ellipse that was claimed for its estimate."""
    flags = []
    for result, error in zip(results, _errors(results, place), strict=True):
        claimed = result["covariance_m2"][place]
        flags.append(claimed is not None and bool(_inside(error[None], np.array(claimed))[0]))
    return flags


def _gate_distance() -> float:
    """Return the squared distance that holds `GATE` of a normal distribution in the plane."""
    return float(-2.0 * np.log(1.0 - GATE))


def _circle(covariance: FloatArray) -> FloatArray:
    """Return the covariance whose circle has the mean of the ellipse's axes for its radius, as the paper draws it."""
    mean_axis = float(np.mean(np.sqrt(np.linalg.eigvalsh(covariance))))
    return np.asarray(mean_axis**2 * np.eye(2))


def _outline(covariance: FloatArray) -> FloatArray:
    """Return points (2, n) on the ellipse that holds `GATE` of a normal distribution."""
    angle = np.linspace(0.0, 2.0 * np.pi, 181)
    circle = np.sqrt(_gate_distance()) * np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(np.linalg.cholesky(covariance) @ circle)


def _draw_scatter(axes: "Axes", results: Sequence[Result], place: int, bound: FloatArray) -> None:
    errors = _errors(results, place)
    inside = _inside(errors, bound)
    cm = 100.0
    axes.plot(*cm * errors[inside].T, ".", ms=3.6, mec="none", color=COLOURS[5], label="estimate inside", zorder=2)
    axes.plot(*cm * errors[~inside].T, ".", ms=4.4, mec="none", color=COLOURS[1], label="outside", zorder=3)
    axes.plot(*cm * _outline(bound), "-", lw=1.2, color=COLOURS[0], label=r"bound, $\kappa$ = 1", zorder=4)
    axes.plot(*cm * _outline(1.2 * bound), "--", lw=0.9, color=COLOURS[0], label=r"$\kappa$ = 1.2", zorder=4)
    axes.plot(*cm * _outline(_circle(bound)), ":", lw=1.0, color="0.35", label="circle of the mean axis", zorder=4)
    axes.plot(0.0, 0.0, "+", ms=6, mew=0.9, color="0.15", zorder=5)
    x, y = results[0]["position_m"][place]
    shares = [100.0 * float(np.mean(_inside(errors, c))) for c in (bound, 1.2 * bound, _circle(bound))]
    text = f"inside: {shares[0]:.1f} %  ({shares[1]:.1f} % with $\\kappa$ = 1.2,\n{shares[2]:.1f} % in the circle)"
    axes.text(0.03, 0.97, text, transform=axes.transAxes, fontsize=7.0, va="top", color="0.15")
    place_text = f"({x:g}, {y:g}) m".replace("-", "−")
    axes.set(xlabel="x error (cm)", title=f"target at {place_text}, {len(results)} frames")
    # Room above the circle for the text.
    reach = 1.15 * cm * max(float(np.nanmax(np.abs(errors), initial=0.0)), float(np.abs(_outline(1.2 * bound)).max()))
    axes.update_datalim([(-reach, -0.78 * reach), (reach, 0.78 * reach)])
    axes.set_aspect("equal", adjustable="box")
    axes.grid(True, lw=0.3, color="0.88")
    axes.set_axisbelow(True)


def _error_of_one(lines: SpectralLines, place: FloatArray) -> list[float] | None:
    """Return the error (x, y) of the strongest line's position."""
    if len(lines) == 0:
        return None
    detections = line_detections(lines, paper_sensor(), 0.0)
    error: list[float] = (detections.position_m[0] - place).tolist()
    return error


def _squared_errors(results: Sequence[Result], key: str) -> FloatArray:
    """Return squared errors (trials, SNRs, 2); a line that was not found is off by the region of the paper, 30 m."""
    missed = [30.0, 30.0]
    return np.array([[missed if e is None else e for e in r[f"{key}_m"]] for r in results], dtype=np.float64) ** 2


FIG3: Final = Experiment(
    name="mnomp-spa-kf/fig3",
    title="Estimates of MNOMP around two places and the ellipse of the Cramer-Rao bound",
    paper_statements=(
        "93 % and 96 % of the estimates fall within the 95 % ellipse with kappa = 1 and kappa = 1.2.",
        "A circle does not capture their distribution.",
    ),
    default_trials=300,
    trial=fig3_trial,
    summarise=fig3_summary,
    draw=draw_fig3,
    parameters={"position_m": [[-2.8, 7.5], [3.2, 7.5]], "snr_db": 19.0},
)
"""Fig. 3 (sec. III-A)."""

FIG5: Final = Experiment(
    name="mnomp-spa-kf/fig5",
    title="Mean squared error of the position over the SNR beside the Cramer-Rao bound",
    paper_statements=(
        "From 15 dB up the mean squared error of 3D-NOMP closely matches the bound.",
        "From 17 dB up 2D-MNOMP approaches 3D-NOMP and the bound.",
    ),
    default_trials=300,
    trial=fig5_trial,
    summarise=fig5_summary,
    draw=draw_fig5,
    parameters={"position_m": [-2.8, 7.5], "snr_db": [float(level) for level in range(3, 26, 2)]},
)
"""Fig. 5 (sec. IV-B)."""
