"""Scores of tracks, for machines and for people."""

from isactrack.cli._output import human_share, print_facts
from isactrack.source import Source
from isactrack.tracking.metrics import TrackingScore


def score_keys(source: Source, score: TrackingScore) -> dict[str, object]:
    """Return the stable keys of ``evaluate --json``; lengths are metres, unknown values None."""
    counts, whole, nees = score.clear_mot, score.trajectory_gospa, score.nees
    return {
        "source": source,
        "confirmed_tracks": score.confirmed_tracks,
        "truth_targets": score.truth_targets,
        "identity_switches": score.identity_switches,
        "median_position_error_m": score.median_position_error_m,
        "p90_position_error_m": score.p90_position_error_m,
        "mean_ospa_m": score.mean_ospa_m,
        "mean_gospa_m": score.mean_gospa_m,
        "missed_share": score.missed_share,
        "false_share": score.false_share,
        "frames": score.frames,
        "match_distance_m": score.settings.match_distance_m,
        "ospa_order": score.settings.ospa_order,
        "ospa_cutoff_m": score.settings.ospa_cutoff_m,
        "mean_labelled_ospa_m": score.mean_labelled_ospa_m,
        "label_penalty_m": score.settings.labelled.label_penalty,
        "label_order": score.settings.label_order,
        "metric_base": score.settings.base,
        "mean_gospa_localisation": score.mean_gospa_localisation,
        "mean_gospa_missed": score.mean_gospa_missed,
        "mean_gospa_false": score.mean_gospa_false,
        "trajectory_gospa_m": None if whole is None else whole.distance,
        "trajectory_gospa_localisation": None if whole is None else whole.localisation,
        "trajectory_gospa_missed": None if whole is None else whole.missed,
        "trajectory_gospa_false": None if whole is None else whole.false,
        "trajectory_gospa_switching": None if whole is None else whole.switching,
        "trajectory_switches": None if whole is None else whole.switches,
        "switch_penalty_m": score.settings.switch_penalty_m,
        "matches": counts.matches,
        "misses": counts.misses,
        "false_positives": counts.false_positives,
        "fragmentations": counts.fragmentations,
        "mota": counts.mota,
        "motp_m": counts.motp_m,
        "rmse_m": score.rmse_m,
        "nees_mean": None if nees is None else nees.mean,
        "nees_lower": None if nees is None else nees.lower,
        "nees_upper": None if nees is None else nees.upper,
        "nees_dimension": None if nees is None else nees.dimension,
        "nees_samples": None if nees is None else nees.samples,
    }


def print_score(source: Source, score: TrackingScore) -> None:
    """Print a score as a table."""
    counts, whole, nees = score.clear_mot, score.trajectory_gospa, score.nees
    parts = (score.mean_gospa_localisation, score.mean_gospa_missed, score.mean_gospa_false)
    facts: dict[str, object] = {
        "samples": f"{source}, {score.frames} frames",
        "targets": f"{score.truth_targets} true, {score.confirmed_tracks} confirmed tracks",
        "identity switches": score.identity_switches,
        "interruptions": counts.fragmentations,
        "position error": f"{_metres(score.median_position_error_m)} median, "
        f"{_metres(score.p90_position_error_m)} at 90 %, {_metres(score.rmse_m)} RMS",
        "missed / false": f"{_percent(score.missed_share)} / {_percent(score.false_share)} "
        f"(matched within {score.settings.match_distance_m:g} m)",
        "CLEAR-MOT": f"MOTA {_number(counts.mota)}, MOTP {_metres(counts.motp_m)}: {counts.matches} matches, "
        f"{counts.misses} misses, {counts.false_positives} false, {counts.switches} switches",
        "mean OSPA": f"{_metres(score.mean_ospa_m)} ({score.settings.ospa})",
        "mean labelled OSPA": f"{_metres(score.mean_labelled_ospa_m)} ({score.settings.labelled})",
        "mean GOSPA": f"{_metres(score.mean_gospa_m)} ({score.settings.ospa})",
        "its parts": "localisation {}, missed {}, false {} (mean of the p-th powers)".format(*map(_number, parts)),
    }
    if whole is not None:
        facts["trajectory GOSPA"] = (
            f"{whole.distance:.3f} m, {whole.per_frame:.3f} m a frame (gamma = {whole.switch_penalty:g}): "
            f"{whole.switches:g} switches cost {whole.switching:.3f}"
        )
    if nees is not None:
        facts["NEES of position"] = (
            f"{nees.mean:.2f} over {nees.samples} pairs; 95 % of consistent filters lie in "
            f"{nees.lower:.2f} to {nees.upper:.2f}, if errors were independent"
        )
    print_facts(facts)


def _metres(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} m"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else human_share(value)
