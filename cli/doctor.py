"""``isactrack doctor``: what keeps this computer and its hardware from capturing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option, add_profile_option

if TYPE_CHECKING:
    from isactrack.drivers.awr1642.doctor import Diagnosis, Target

EXIT_FAILED = 3
"""Something will keep a capture from working: as for a device that is not found or does not answer."""

_EPILOG = """\b
Examples:
  isactrack doctor
  isactrack doctor --device awr1642:///dev/ttyACM0 -c walk.cfg --folder /data
  isactrack doctor --device sim://awr1642
  isactrack doctor --udev-rule | sudo tee /etc/udev/rules.d/70-isactrack.rules
"""

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "dim"}


@click.command("doctor", epilog=_EPILOG)
@click.option("-d", "--device", "url", default="awr1642://auto", show_default=True, metavar="URL",
              help="Device to look at: awr1642:// or sim://.")  # fmt: skip
@add_profile_option
@click.option("--folder", type=click.Path(readable=False, path_type=Path), default=Path(), metavar="DIR",
              help="Where recordings shall go; this folder if left out.")  # fmt: skip
@click.option("--udev-rule", is_flag=True, help="Print udev rules for boards and radios on Linux, and nothing else.")
@add_json_option
@add_common_options
def command(url: str, profile: Path | None, folder: Path, udev_rule: bool, as_json: bool) -> int:
    """Look at everything that a capture needs, and say what to do about what is wrong.

    Board, console, network, capture card, kernel settings, disk. Nothing is changed. Exit code 0 if nothing fails, 3
    if something does.
    """
    from isactrack.cli._output import live_line, print_json
    from isactrack.drivers.awr1642.doctor import Verdict, examine, udev_rules

    if udev_rule:
        click.echo(udev_rules(), nl=False)
        return 0
    found: list[Diagnosis] = []
    with _target(url, profile, folder) as target, live_line() as show:
        show("looking ...")
        for diagnosis in examine(target):
            found.append(diagnosis)
            show(f"{diagnosis.name}: {diagnosis.verdict}")
    failed = sum(diagnosis.verdict is Verdict.FAIL for diagnosis in found)
    if as_json:
        keys = ("name", "verdict", "found", "advice")
        checks = [{key: getattr(diagnosis, key) for key in keys} for diagnosis in found]
        print_json({"device": url, "failed": failed, "checks": checks})
    else:
        _print(found)
    return EXIT_FAILED if failed else 0


@contextmanager
def _target(text: str, profile: Path | None, folder: Path) -> Iterator["Target"]:
    """Yield what a URL names; a simulated board is switched on meanwhile."""
    from isactrack.cli._sources import read_profile
    from isactrack.drivers.awr1642.doctor import Target
    from isactrack.drivers.awr1642.options import parse_options
    from isactrack.drivers.awr1642.profile import default_profile, parse_profile
    from isactrack.drivers.url import DeviceUrl
    from isactrack.errors import ConfigError

    sensor = parse_profile(default_profile() if profile is None else read_profile(profile))
    rate = sensor.data_rate_bps / 8.0
    url = DeviceUrl.parse(text)
    if url.scheme == "awr1642":
        addresses, _ = parse_options(url)
        port = None if url.target in ("", "auto") else url.target
        yield Target(console_port=port, addresses=addresses, folder=folder, rate=rate)
    elif url.scheme == "sim" and url.target != "bistatic":
        from isactrack.drivers.simulated.device import open_url

        with open_url(url) as device:
            board = device.release_board()
            yield Target(
                console_port=board.serial_port, addresses=board.addresses, folder=folder, rate=rate, simulated=True
            )
    else:
        raise ConfigError(
            f"the doctor looks at radar boards, not at what {url.text!r} names",
            "give awr1642://... or sim://awr1642; a bistatic radio says what is wrong when it is opened: "
            "`isactrack record -d URL -o FILE --frames 10 -v`",
        )


def _print(found: list["Diagnosis"]) -> None:
    from rich.text import Text

    from isactrack.cli._output import print_table

    print_table(
        ["check", "result", "found", "what to do"],
        [
            (one.name, Text(one.verdict, style=_STYLES[one.verdict]), one.found, one.advice)
            for one in found
        ],
    )  # fmt: skip
