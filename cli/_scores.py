"""Scores of tracks, for machines and for people."""

from isactrack.cli._output import human_share, print_facts
from isactrack.source import Source
from isactrack.tracking.metrics import TrackingScore


def score_keys(source: Source, score: TrackingScore) -> dict[str, object]:
    """Return the stable keys of ``evaluate --json``; lengths are metres, unknown values None."""
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
        "match_distance_m": score.match_distance_m,
        "ospa_order": score.ospa_order,
        "ospa_cutoff_m": score.ospa_cutoff_m,
    }


def print_score(source: Source, score: TrackingScore) -> None:
    """Print a score as a table."""
    setting = f"order {score.ospa_order:g}, cut-off {score.ospa_cutoff_m:g} m"
    print_facts(
        {
            "samples": f"{source}, {score.frames} frames",
            "targets": f"{score.truth_targets} true, {score.confirmed_tracks} confirmed tracks",
            "identity switches": score.identity_switches,
            "position error": f"{_metres(score.median_position_error_m)} median, "
            f"{_metres(score.p90_position_error_m)} at 90 %",
            "missed / false": f"{_percent(score.missed_share)} / {_percent(score.false_share)} "
            f"(matched within {score.match_distance_m:g} m)",
            "mean OSPA": f"{_metres(score.mean_ospa_m)} ({setting})",
            "mean GOSPA": f"{_metres(score.mean_gospa_m)} ({setting})",
        }
    )


def _metres(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} m"


def _percent(value: float | None) -> str:
    return "-" if value is None else human_share(value)
