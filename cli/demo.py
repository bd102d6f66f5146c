"""``isactrack demo``: two people cross in front of a simulated radar."""

from importlib.util import find_spec
from pathlib import Path

import click

from isactrack.cli._options import add_common_options, add_json_option

FRAMES = 64

_EPILOG = """\b
Example:
  isactrack demo -o demo
"""


@click.command("demo", epilog=_EPILOG)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
              help="Folder for demo.h5, tracks.csv and demo.png; it is created, files in it are replaced.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
              help="Seed of noise and scene.")  # fmt: skip
@add_json_option
@add_common_options
def command(output: Path, seed: int, as_json: bool) -> None:
    """Run a simulated crossing in real time, record it, track it, and score the tracks against the truth.

    Nothing here comes from a real radar: the samples are simulated at the wire, and every file says so.
    """
    from isactrack.acquisition.offline import score_tracks
    from isactrack.acquisition.pipeline import Pipeline
    from isactrack.acquisition.session import Session
    from isactrack.cli import _capture
    from isactrack.cli._output import note, print_json
    from isactrack.cli._scores import print_score, score_keys
    from isactrack.drivers.registry import open_device
    from isactrack.experiments.crossing import save_figure
    from isactrack.recordings import TrackTable, open_recording, write_tracks_csv

    _capture.make_folder(output)
    recording, tracks, figure = (output / name for name in ("demo.h5", "tracks.csv", "demo.png"))
    with open_device(f"sim://awr1642?scene=crossing&seed={seed}") as device:
        pipeline = Pipeline(device.configure())
        writer = _capture.open_writer(device, recording, note=f"isactrack demo, seed {seed}", overwrite=True)
        # The queue of a lossless pipeline holds the whole demo: a slow computer tracks late, but loses nothing.
        session = Session(device, recorder=writer, pipeline=pipeline, max_frames=FRAMES, lossless_pipeline=True)
        try:
            with session:
                snapshots = session.subscribe(FRAMES)
                if _capture.run_session(session):
                    raise KeyboardInterrupt
                steps = [snapshot.tracks for snapshot in snapshots.drain()]
                health = session.health()
        finally:
            if not writer.frames_written:
                recording.unlink(missing_ok=True)
    write_tracks_csv(tracks, steps)
    table = TrackTable.from_tracks(steps)
    files = [str(recording), str(tracks)]
    with open_recording(recording) as opened:
        score = score_tracks(opened, table)
        if find_spec("matplotlib") is not None:
            save_figure(figure, opened, table, score)
            files.append(str(figure))
        source = opened.origin
    if as_json:
        print_json({**_capture.summary(health), **score_keys(source, score), "files": files})
        return
    print_score(source, score)
    if str(figure) not in files:
        note(f"{figure.name} is left out, because matplotlib is not installed: pip install 'isactrack[plot]'")
    note(f"Wrote {', '.join(files)}. Watch it: isactrack view {recording}")
