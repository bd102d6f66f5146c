"""``isactrack evaluate``: tracks against the truth."""

from pathlib import Path
from typing import Any

import click

from isactrack.cli._options import add_common_options, add_json_option
from isactrack.cli._settings import add_chain_options, add_tracker_options, chain_config, tracker_config

_EPILOG = """\b
Examples:
  isactrack evaluate demo/demo.h5
  isactrack evaluate demo/demo.h5 --tracks demo/tracks.csv --json
"""


@click.command("evaluate", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option("--tracks", type=click.Path(readable=False, path_type=Path), metavar="CSV",
              help="Tracks to score; without them the recording is tracked now.")  # fmt: skip
@add_chain_options
@add_tracker_options
@add_json_option
@add_common_options
def command(recording: Path, tracks: Path | None, as_json: bool, **options: Any) -> None:
    """Score tracks against the truth in a recording, which only simulations have."""
    from isactrack.acquisition.offline import score_tracks, track
    from isactrack.cli._output import print_json, progress
    from isactrack.cli._scores import print_score, score_keys
    from isactrack.cli._sources import check_file, open_frames
    from isactrack.recordings import TrackTable, read_tracks_csv

    chain, tracker = chain_config(options), tracker_config(options)
    with open_frames(recording) as opened:
        if tracks is None:
            with progress("tracking", len(opened)) as done:
                table = TrackTable.from_tracks([step.tracks for step in track(opened, chain, tracker, done)])
        else:
            check_file(tracks, "a table of tracks (.csv)")
            table = read_tracks_csv(tracks)
        score = score_tracks(opened, table)
        source, closed_cleanly = opened.origin, opened.closed_cleanly
    if as_json:
        print_json({**score_keys(source, score), "closed_cleanly": closed_cleanly})
    else:
        print_score(source, score)
