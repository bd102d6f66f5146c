"""``isactrack demo``: two people cross in front of a simulated radar, or of a simulated bistatic radio."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from isactrack.geometry import Pose

FRAMES = 64
"""Frames of the radar."""
RADIO_SCENE = "lab-crossing"
_MOST_SNAPSHOTS = 10_000

_EPILOG = """\b
Examples:
  isactrack demo -o demo
  isactrack demo --sensor bistatic -o demo26
"""


@click.command("demo", epilog=_EPILOG)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
              help="Folder for demo.h5, tracks.csv and demo.png; it is created, files in it are replaced.")  # fmt: skip
@click.option("--sensor", type=click.Choice(["radar", "bistatic"]), default="radar", show_default=True,
              help="FMCW radar, or OFDM radio with its transmitter elsewhere in the room.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
              help="Seed of noise and scene.")  # fmt: skip
@add_json_option
@add_common_options
def command(output: Path, sensor: str, seed: int, as_json: bool) -> None:
    """Run a simulated crossing in real time, record it, track it, and score the tracks against the truth.

    Nothing here comes from a real sensor: the samples are simulated at the wire, and every file says so.
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
    url = f"sim://awr1642?scene=crossing&seed={seed}"
    frames: int | None = FRAMES
    duration_s: float | None = None
    if sensor == "bistatic":
        url = f"sim://bistatic?scene={RADIO_SCENE}&seed={seed}"
        frames, duration_s = None, _scene_length_s(seed)
    with open_device(url) as device:
        pipeline = Pipeline(device.configure())
        writer = _capture.open_writer(device, recording, note=f"isactrack demo, seed {seed}", overwrite=True)
        # The queue of a lossless pipeline holds the whole demo: a slow computer tracks late, but loses nothing.
        session = Session(
            device, recorder=writer, pipeline=pipeline, max_frames=frames, duration_s=duration_s, lossless_pipeline=True
        )
        try:
            with session:
                snapshots = session.subscribe(_MOST_SNAPSHOTS)
                if _capture.run_session(session):
                    raise KeyboardInterrupt
                shown = snapshots.drain()
                health = session.health()
        finally:
            if not writer.frames_written:
                recording.unlink(missing_ok=True)
    steps = [snapshot.tracks for snapshot in shown]
    write_tracks_csv(tracks, steps)
    table = TrackTable.from_tracks(steps)
    files = [str(recording), str(tracks)]
    with open_recording(recording) as opened:
        score = score_tracks(opened, table)
        if find_spec("matplotlib") is not None:
            walls = _walls(seed, opened.pose) if sensor == "bistatic" else None
            save_figure(figure, opened, table, score, snapshots=shown, walls_m=walls)
            files.append(str(figure))
        source = opened.origin
    if as_json:
        print_json({**_capture.summary(health), **score_keys(source, score), "files": files})
        return
    print_score(source, score)
    if str(figure) not in files:
        note(f"{figure.name} is left out, because matplotlib is not installed: pip install 'isactrack[plot]'")
    note(f"Wrote {', '.join(files)}. Watch it: isactrack view {recording}")


def _scene_length_s(seed: int) -> float:
    """Return how long it takes until everybody has walked to the end of their way."""
    from isactrack.drivers.simulated.scene import make_scene

    return make_scene(RADIO_SCENE, seed).duration_s


def _walls(seed: int, pose: "Pose") -> "NDArray[np.float64] | None":
    """Return the ends (n, 2, 2) of the walls of the radio's room in the sensor frame."""
    from isactrack.drivers.simulated.scene import make_scene

    room = make_scene(RADIO_SCENE, seed).room
    return None if room is None else pose.to_sensor(room.walls_m)
