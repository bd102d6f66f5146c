"""``isactrack session``: several devices into one recording, as a session file says."""

from contextlib import ExitStack, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option, parse_duration, parse_share
from isactrack.errors import ConfigError, IsacError, RecordingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isactrack.acquisition.group import GroupStart, SessionGroup
    from isactrack.acquisition.plan import SessionPlan
    from isactrack.acquisition.snapshot import Health
    from isactrack.drivers.device import Device
    from isactrack.recordings import SegmentedWriter, TrackTable
    from isactrack.recordings.manifest import ManifestFile

_REFRESH_S = 0.25

_EPILOG = """\b
Examples:
  isactrack session --example > run.toml
  isactrack session run.toml -o run1
"""


def _print_example(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from isactrack.acquisition.plan import EXAMPLE

        click.echo(EXAMPLE, nl=False)
        ctx.exit()


@click.command("session", epilog=_EPILOG)
@click.argument("plan_file", type=click.Path(readable=False, path_type=Path), metavar="TOML")
@click.option("--example", is_flag=True, is_eager=True, expose_value=False, callback=_print_example,
              help="Print a session file with comments, and leave.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(readable=False, path_type=Path), metavar="DIR",
              help="Folder to record to, instead of the one in the file.")  # fmt: skip
@click.option("--duration", type=parse_duration, metavar="TIME", help="Stop after this time, instead of the file's.")
@click.option("--max-loss", type=parse_share, metavar="SHARE", help="Exit with 4 if a device lost more, e.g. 0.1%.")
@click.option("--overwrite", is_flag=True, help="Replace the recording if it exists.")
@add_json_option
@add_common_options
def command(
    plan_file: Path,
    output: Path | None,
    duration: float | None,
    max_loss: float | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Record several devices together, as a session file says, until a limit is reached or Ctrl-C is pressed.

    All devices are configured first and then started at once. On a terminal, a line that is typed while they record
    becomes a marker of that moment in the recordings of all of them.
    """
    from isactrack.acquisition.plan import parse_plan
    from isactrack.cli import _capture
    from isactrack.cli._sources import read_profile, read_session_file, source_file

    plan = parse_plan(read_session_file(plan_file), plan_file.parent)
    output = output or plan.output
    if output is None:
        raise ConfigError("nobody says where to record to", 'give -o, or write output = "run1" below [session]')
    sources = [source_file(device.url) for device in plan.devices]
    profiles = [device.profile for device in plan.devices]
    _capture.check_folder_target(output, overwrite, plan_file, *sources, *profiles)
    profile_texts = [None if profile is None else read_profile(profile) for profile in profiles]
    with ExitStack() as stack:
        devices = _open(plan, profile_texts, stack)
        with _capture.set_aside(output) if overwrite else nullcontext():
            run = _Run(plan, output, devices, duration or plan.duration_s)
            run.record()
    if run.kept:
        run.finish(as_json)
    run.complain()
    for health in run.health.values():
        _capture.check_loss(health, max_loss)


def _open(plan: "SessionPlan", profile_texts: list[str | None], stack: ExitStack) -> "dict[str, Device]":
    """Open and configure all devices, which is what takes time, before any is started."""
    from isactrack.cli._sources import open_source

    devices = {}
    for device_plan, profile_text in zip(plan.devices, profile_texts, strict=True):
        try:
            device = stack.enter_context(open_source(device_plan.url))
            device.configure(profile_text)
        except IsacError as error:
            raise type(error)(f"{device_plan.name}: {error}", error.hint) from error
        devices[device_plan.name] = device
    return devices


class _Run:
    """One run of a plan, from configured devices to the summary."""

    def __init__(
        self, plan: "SessionPlan", output: Path, devices: "dict[str, Device]", duration_s: float | None
    ) -> None:
        self._plan = plan
        self._output = output
        self._devices = devices
        self._duration_s = duration_s
        self._start: GroupStart | None = None
        self._markers = 0
        self._interrupted = False
        self._failure: BaseException | None = None
        self._errors: Mapping[str, IsacError] = {}
        self.health: dict[str, Health] = {}
        self.kept = False

    def record(self) -> None:
        """Record until the end; whatever ends it, all files are closed. What failed is kept for `complain`.

        A recording into which nothing came because of an error or Ctrl-C is removed.
        """
        from isactrack.acquisition.group import SessionGroup
        from isactrack.acquisition.session import Session
        from isactrack.cli import _capture
        from isactrack.recordings import create_folder

        plan = self._plan
        manifest = create_folder(self._output, name=plan.name, note=plan.note, session_text=plan.text)
        recorded = False
        try:
            recorders = self._open_recorders(manifest)
            group = SessionGroup(
                {
                    name: Session(device, recorder=recorders[name], duration_s=self._duration_s)
                    for name, device in self._devices.items()
                },
                on_error=plan.on_error,
            )
            try:
                with group:
                    self._watch(group, manifest)
            except BaseException as error:  # noqa: BLE001 - raised by `complain`, when the files have been seen to
                self._failure = error
            self.health, self._errors = group.health(), group.errors
            if self._failure is None and self._errors:
                self._failure = next(iter(self._errors.values()))
            recorded = any(health.recorded_frames for health in self.health.values())
        finally:
            self.kept = recorded or (self._failure is None and not self._interrupted and bool(self.health))
            if not self.kept:
                _capture.remove(self._output)

    def _open_recorders(self, manifest: "ManifestFile") -> "dict[str, SegmentedWriter]":
        from isactrack.acquisition.header import describe_device
        from isactrack.cli import _capture

        plan = self._plan
        storage = _capture.Storage(segment_bytes=plan.segment_bytes, segment_s=plan.segment_s)
        if plan.compression is not None:
            storage = replace(storage, compression=plan.compression)
        recorders: dict[str, SegmentedWriter] = {}
        try:
            for one in plan.devices:
                header = describe_device(
                    self._devices[one.name], note=plan.note, stream=one.name, pose=one.pose, room=plan.room
                )
                recorders[one.name] = _capture.open_segments(manifest, header, storage)
        except BaseException:
            for recorder in recorders.values():
                with suppress(RecordingError):
                    recorder.close("never started")
            raise
        return recorders

    def _watch(self, group: "SessionGroup", manifest: "ManifestFile") -> None:
        from isactrack.cli import _capture
        from isactrack.cli._markers import typed_markers
        from isactrack.cli._output import live_line, note

        mark = _capture.Markers(group)
        told: set[str] = set()
        _capture.explain_markers()
        try:
            self._start = group.start()
            manifest.add_facts(
                start_host_monotonic_ns=dict(self._start.host_monotonic_ns), start_skew_s=self._start.skew_s
            )
            with live_line() as show, typed_markers(mark):
                while not group.wait(_REFRESH_S):
                    for name in group.errors.keys() - told:
                        told.add(name)
                        note(f"{name} failed: {group.errors[name]}")
                    lines = [f"{name}: {_capture.health_line(one)}" for name, one in group.health().items()]
                    show("\n".join([*lines, f"{mark.text()}{_capture.STOP_HINT}"]))
        except KeyboardInterrupt:
            self._interrupted = True
            with _capture.further_interrupts_ignored():
                group.stop()
                group.wait()
        finally:
            self._markers = mark.count

    def finish(self, as_json: bool) -> None:
        """Track what was recorded if the plan says so, and print the summary."""
        from isactrack.cli import _capture
        from isactrack.cli._output import print_facts, print_json
        from isactrack.cli._overlay import overlay_folder
        from isactrack.recordings import RecordingFolder

        tables = self._track() if self._plan.tracks else {}
        with RecordingFolder(self._output) as folder:
            offsets = folder.offsets()
            overlaid = overlay_folder(folder, {name: table for name, (_, table) in tables.items()})
        start_skew_s = None if self._start is None else self._start.skew_s
        if as_json:
            print_json({
                "path": str(self._output),
                "name": self._plan.name,
                "start_skew_s": start_skew_s,
                "markers": self._markers,
                "devices": [
                    {
                        "name": name,
                        **_capture.summary(health),
                        "error": health.error,
                        "tracks": tables[name][0] if tables else None,
                    }
                    for name, health in self.health.items()
                ],
                "offsets": [asdict(offset) for offset in offsets],
                **overlaid.keys(),
            })  # fmt: skip
            return
        for name, health in self.health.items():
            print_facts({"name": name})
            _capture.print_summary(health)
        facts: dict[str, object] = {"recording": self._output, "markers": self._markers}
        if start_skew_s is not None and len(self.health) > 1:
            facts["started"] = f"within {1e3 * start_skew_s:.3f} ms"
        for offset in offsets:
            facts[f"{offset.stream} to {offset.reference}"] = _capture.offset_text(offset)
        for name, (path, _) in tables.items():
            facts[f"tracks of {name}"] = path
        print_facts(facts | overlaid.facts())

    def _track(self) -> "dict[str, tuple[str, TrackTable]]":
        """Track each recording, and return the file of its tracks and what is in it."""
        from isactrack.acquisition.offline import track
        from isactrack.cli._output import progress
        from isactrack.recordings import TrackTable, open_recording, write_tracks_csv

        tables = {}
        for name in self.health:
            with open_recording(self._output, name) as recording, progress(f"tracking {name}", len(recording)) as done:
                chain, tracker = self._plan.settings_of(recording.sensor)
                steps = [one.tracks for one in track(recording, chain, tracker, done)]
            path = self._output / f"tracks-{name}.csv"
            write_tracks_csv(path, steps)
            tables[name] = str(path), TrackTable.from_tracks(steps)
        return tables

    def complain(self) -> None:
        """Raise what ended the run, if that was an error or Ctrl-C."""
        if self._failure is not None:
            for name, error in self._errors.items():
                if error is self._failure:
                    raise type(error)(f"{name}: {error}", error.hint) from error
            raise self._failure
        if self._interrupted:
            raise KeyboardInterrupt
