"""``isactrack info``: what a recording holds."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option

if TYPE_CHECKING:
    from isactrack.fmcw import FmcwSensor
    from isactrack.recordings import Recording

_EPILOG = """\b
Example:
  isactrack info walk.h5 --json
"""

_LIMITS = (
    "bandwidth_hz", "centre_frequency_hz", "range_resolution_m", "range_max_m", "velocity_resolution_mps",
    "velocity_max_mps", "azimuth_resolution_rad", "azimuth_max_rad", "coherent_time_s", "data_rate_bps", "frame_bytes",
)  # fmt: skip


@click.command("info", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@add_json_option
@add_common_options
def command(recording: Path, as_json: bool) -> None:
    """Show what a recording holds: device, waveform, limits of the axes, losses."""
    from isactrack.cli._output import print_json
    from isactrack.cli._sources import check_file
    from isactrack.recordings import open_recording

    check_file(recording, "a recording (.h5)")
    with open_recording(recording) as opened:
        if as_json:
            print_json(_facts(opened))
        else:
            _print(opened)


def _facts(opened: "Recording") -> dict[str, object]:
    header, sensor = opened.header, opened.sensor
    return {
        "path": str(opened.path),
        "source": opened.source,
        "origin": opened.origin,
        "created_utc": opened.created_utc,
        "uuid": opened.uuid,
        "package_version": opened.package_version,
        "device_url": header.device_url,
        "device_model": header.device_model,
        "serial_number": header.serial_number,
        "firmware": header.firmware,
        "note": header.note,
        "profile_text": header.profile_text,
        "pose": {name: getattr(opened.pose, name) for name in ("x_m", "y_m", "z_m", "yaw_rad")},
        "sensor": {field.name: getattr(sensor, field.name) for field in fields(sensor)},
        "derived": {name: getattr(sensor, name) for name in _LIMITS},
        "frames": len(opened),
        "duration_s": opened.duration_s,
        "closed_cleanly": opened.closed_cleanly,
        "stop_reason": opened.stop_reason,
        "missing_frames": opened.missing_frames,
        "incomplete_frames": opened.incomplete_frames,
        "lost_bytes": opened.lost_bytes,
        "lost_share": opened.lost_share,
        "truth_targets": _targets(opened),
    }


def _print(opened: "Recording") -> None:
    from isactrack.cli._output import human_share, print_facts, print_table
    from isactrack.units import bytes_text

    header, sensor = opened.header, opened.sensor
    source = opened.source if opened.source is opened.origin else f"{opened.source} of {opened.origin}"
    device = " ".join(filter(None, (header.device_model, header.serial_number, header.firmware)))
    survived = "all whole frames can be read" if len(opened) else "no whole frame survived"
    ending = opened.stop_reason if opened.closed_cleanly else f"was not closed; {survived}"
    facts: dict[str, object] = {
        "file": opened.path,
        "source": source,
        "device": f"{device} ({header.device_url})",
        "recorded": f"{opened.created_utc} by isactrack {opened.package_version}",
        "note": header.note or "-",
        "ended": ending,
        "frames": f"{len(opened)} in {opened.duration_s:.2f} s, {bytes_text(sensor.frame_bytes)} each",
        "lost": f"{human_share(opened.lost_share)}: {opened.missing_frames} frames missing, "
        f"{opened.incomplete_frames} incomplete, {bytes_text(opened.lost_bytes)}",
        "truth": f"{_targets(opened)} targets" if _targets(opened) else "-",
    }
    print_facts(facts)
    print_table(["waveform", ">value", "limit", ">value"], _waveform_rows(sensor))


def _waveform_rows(sensor: "FmcwSensor") -> list[tuple[str, str, str, str]]:
    import math

    us, degrees = 1e6, 180.0 / math.pi
    waveform = [
        ("start frequency", f"{sensor.start_frequency_hz / 1e9:.4f} GHz"),
        ("slope", f"{sensor.slope_hz_per_s / 1e12:.4f} MHz/us"),
        ("bandwidth sampled", f"{sensor.bandwidth_hz / 1e6:.1f} MHz"),
        ("samples", f"{sensor.samples_per_chirp} at {sensor.sample_rate_hz / 1e6:g} MHz"),
        ("chirp", f"{sensor.idle_time_s * us:g} + {sensor.ramp_end_s * us:g} us"),
        ("frame", f"{sensor.loops_per_frame} loops every {sensor.frame_period_s * 1e3:g} ms"),
        ("antennas", f"{sensor.n_tx} TX x {sensor.n_rx} RX"),
        ("word order", str(sensor.iq_order)),
    ]
    limits = [
        ("range resolution", f"{sensor.range_resolution_m:.4f} m"),
        ("range limit", f"{sensor.range_max_m:.2f} m"),
        ("velocity resolution", f"{sensor.velocity_resolution_mps:.4f} m/s"),
        ("velocity limit", f"{sensor.velocity_max_mps:.3f} m/s"),
        ("azimuth resolution", f"{sensor.azimuth_resolution_rad * degrees:.1f} deg"),
        ("azimuth limit", f"{sensor.azimuth_max_rad * degrees:.1f} deg"),
        ("coherent time", f"{sensor.coherent_time_s * 1e3:.2f} ms"),
        ("raw data rate", f"{sensor.data_rate_bps / 1e6:.1f} Mbit/s"),
    ]
    return [(*left, *right) for left, right in zip(waveform, limits, strict=True)]


def _targets(opened: "Recording") -> int:
    truths = (opened.truth(index) for index in range(len(opened)))
    return len({int(target) for truth in truths if truth is not None for target in truth.target_id})
