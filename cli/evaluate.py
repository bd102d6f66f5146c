"""``isactrack evaluate``: tracks against the truth."""

from pathlib import Path
from typing import Any

import click

from isactrack.cli._options import add_common_options, add_json_option
from isactrack.cli._settings import ChainOptions, TrackerOptions, add_chain_options, add_tracker_options

_EPILOG = """\b
Examples:
  isactrack evaluate demo/demo.h5
  isactrack evaluate demo/demo.h5 --tracks demo/tracks.csv --json
  isactrack evaluate demo/demo.h5 --ospa-order 1 --ospa-cutoff 5 --label-penalty 2 --switch-penalty 1

What each number means: docs/metrics.md.
"""

_METRIC_OPTIONS = (
    click.option("--match-distance", "match_distance_m", type=float, default=1.0, show_default=True, metavar="M",
                 help="Largest distance of a match."),
    click.option("--ospa-order", type=float, default=2.0, show_default=True, metavar="P",
                 help="Order of OSPA and GOSPA; inf is for OSPA alone."),
    click.option("--ospa-cutoff", "ospa_cutoff_m", type=float, default=2.0, show_default=True, metavar="M",
                 help="Cut-off of OSPA and GOSPA."),
    click.option("--label-penalty", "label_penalty_m", type=float, metavar="M",
                 help="Cost of a wrong label in labelled OSPA.  [default: half the cut-off]"),
    click.option("--label-order", type=float, default=2.0, show_default=True, metavar="P",
                 help="Order in which labelled OSPA adds distance and label penalty."),
    click.option("--switch-penalty", "switch_penalty_m", type=float, metavar="M",
                 help="Cost of a switch; adds the metric of whole trajectories."),
    click.option("--metric-base", "base", type=click.Choice(["position", "state"]), default="position",
                 show_default=True, help="What OSPA and GOSPA take distances of."),
)  # fmt: skip
_METRICS = (
    "match_distance_m", "ospa_order", "ospa_cutoff_m", "label_penalty_m", "label_order", "switch_penalty_m", "base",
)  # fmt: skip


def _add_metric_options(function: Any) -> Any:
    for option in reversed(_METRIC_OPTIONS):
        function = option(function)
    return function


@click.command("evaluate", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option("--tracks", type=click.Path(readable=False, path_type=Path), metavar="CSV",
              help="Tracks to score; without them the recording is tracked now.")  # fmt: skip
@_add_metric_options
@add_chain_options
@add_tracker_options
@add_json_option
@add_common_options
def command(recording: Path, tracks: Path | None, as_json: bool, **options: Any) -> None:
    """Score tracks against the truth in a recording, which only simulations have."""
    import numpy as np

    from isactrack.acquisition.offline import score_tracks, track
    from isactrack.cli._output import print_json, progress
    from isactrack.cli._scores import print_score, score_keys
    from isactrack.cli._sources import check_file, open_frames
    from isactrack.recordings import TrackTable, read_tracks_csv
    from isactrack.tracking.metrics import ScoreSettings

    settings = ScoreSettings(**{name: options.pop(name) for name in _METRICS})
    chain_options, tracker_options = ChainOptions(options), TrackerOptions(options)
    covariance = None
    with open_frames(recording) as opened:
        if tracks is None:
            with progress("tracking", len(opened)) as done:
                chain = chain_options.of(opened.sensor)
                made = track(opened, chain, tracker_options.of(opened.sensor, chain), done)
                steps = [step.tracks for step in made]
            table = TrackTable.from_tracks(steps)
            covariance = np.array([one.covariance for step in steps for one in step]).reshape(-1, 4, 4)
        else:
            check_file(tracks, "a table of tracks (.csv)")
            table = read_tracks_csv(tracks)
        score = score_tracks(opened, table, settings, covariance)
        source, closed_cleanly = opened.origin, opened.closed_cleanly
    if as_json:
        print_json({**score_keys(source, score), "closed_cleanly": closed_cleanly})
    else:
        print_score(source, score)
