"""``isactrack track``: tracks through a recording."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from isactrack.cli._options import add_common_options, add_json_option
from isactrack.cli._settings import (
    ChainOptions,
    TrackerOptions,
    add_chain_options,
    add_tracker_options,
    check_intervals,
    unused_frames,
)

_EPILOG = """\b
Example:
  isactrack track walk.h5 -o tracks.csv --max-range 8
"""


@click.command("track", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option("-o", "--output", type=click.Path(readable=False, path_type=Path), metavar="FILE",
              help="File for the tracks, one row a track and frame: *.csv, or *.parquet.")  # fmt: skip
@add_chain_options
@add_tracker_options
@add_json_option
@add_common_options
def command(recording: Path, output: Path | None, as_json: bool, **options: Any) -> None:
    """Track targets through a recording.

    The file has the columns time_s, track_id, status, x_m, y_m, vx_mps and vy_mps.
    """
    from isactrack.acquisition.offline import run_pipeline
    from isactrack.acquisition.pipeline import Pipeline
    from isactrack.cli._capture import check_table_target
    from isactrack.cli._output import human_facts, print_json, progress
    from isactrack.cli._sources import open_frames
    from isactrack.recordings import write_tracks_csv
    from isactrack.recordings.parquet import SUFFIX, require_parquet, write_tracks_parquet

    chain_options, tracker_options = ChainOptions(options), TrackerOptions(options)
    if output is not None:
        check_table_target(output, recording)
        if output.suffix.lower() == SUFFIX:
            require_parquet()
    with open_frames(recording) as opened:
        chain = chain_options.of(opened.sensor)
        tracker = tracker_options.of(opened.sensor, chain)
        check_intervals(opened, chain)
        pipeline = Pipeline(opened.sensor, chain, tracker)
        with progress("tracking", len(opened)) as done:
            steps = [snapshot.tracks for snapshot in run_pipeline(opened, pipeline, done)]
        confirmed = {one.track_id for tracks in steps for one in tracks if one.is_confirmed}
        facts: dict[str, object] = {
            "recording": str(recording),
            "source": opened.source,
            "origin": opened.origin,
            "frames": len(opened),
            "closed_cleanly": opened.closed_cleanly,
            "intervals": len(steps),
            "unused_frames": unused_frames(opened, chain, len(steps), pipeline.discarded_frames),
            "confirmed_tracks": len(confirmed),
            "rows": sum(len(tracks) for tracks in steps),
            "output": None if output is None else str(output),
        }
        settings = {"chain": asdict(chain), "tracker": asdict(tracker), "sensor": asdict(opened.sensor)}
    if output is not None:
        if output.suffix.lower() == SUFFIX:
            write_tracks_parquet(output, steps, {**facts, **settings})
        else:
            write_tracks_csv(output, steps)
    if as_json:
        print_json(facts)
    else:
        human_facts(facts)
