"""``isactrack card``: look after the DCA1000 capture card."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from isactrack.cli._options import add_common_options, add_json_option
from isactrack.errors import ConfigError

if TYPE_CHECKING:
    from isactrack.drivers.awr1642.dca1000 import Addresses, Dca1000

_Command = TypeVar("_Command", bound=Callable[..., Any])

_EPILOG = """\b
Examples:
  isactrack card status
  isactrack card reset-radar
  isactrack card set-address --new-host 192.168.34.30 --new-fpga 192.168.34.180
  isactrack card status --host 192.168.34.30 --fpga 192.168.34.180
"""
_RECOVERY = (
    "if the card is not found afterwards: set its switch SW2.6 to the built-in addresses, power-cycle it, give this "
    "computer 192.168.33.30, and set the address again"
)
_PORT = click.IntRange(1, 65535)


@click.group("card", epilog=_EPILOG)
@add_common_options
def command() -> None:
    """Look after the DCA1000 capture card: ask it, reset it or the radar, change its addresses."""


def _add_address_options(function: _Command) -> _Command:
    """Add the options that say where the card is now, in the names of `Addresses`."""
    for option in (
        click.option("--fpga-port", type=_PORT, metavar="PORT", help="UDP port of the card for control."),
        click.option("--data-port", type=_PORT, metavar="PORT", help="UDP port of this computer for data."),
        click.option("--config-port", type=_PORT, metavar="PORT", help="UDP port of this computer for control."),
        click.option("--fpga", "fpga_ip", metavar="IP", help="The card's address."),
        click.option("--host", "host_ip", metavar="IP", help="This computer's address, to which the card sends."),
    ):
        function = option(function)
    return function


@command.command("status")
@_add_address_options
@add_json_option
@add_common_options
def status(as_json: bool, **where: Any) -> None:
    """Ask whether the card answers, for its version, and for what it has to report."""
    from isactrack.cli._output import human_facts, print_json, print_table
    from isactrack.drivers.awr1642.dca1000 import describe_event, event_name

    addresses = _addresses(where)
    with _card(addresses) as card:
        card.ping()
        version = card.version()
        events = [(event_name(event), *describe_event(event)) for event in card.poll_events()]
    facts = {"address": addresses.fpga_ip, "host": addresses.host_ip, "fpga_version": version}
    if as_json:
        keys = ("name", "meaning", "advice")
        print_json({**facts, "events": [dict(zip(keys, event, strict=True)) for event in events]})
        return
    human_facts(facts)
    if events:
        print_table(["report", "meaning", "what to do"], events)


@command.command("reset")
@_add_address_options
@add_json_option
@add_common_options
def reset(as_json: bool, **where: Any) -> None:
    """Reset the card's FPGA, which forgets its configuration; a capture that runs ends."""
    addresses = _addresses(where)
    with _card(addresses) as card:
        card.reset()
    _say_done("reset", "The card is reset and answers again.", addresses, as_json)


@command.command("reset-radar")
@_add_address_options
@add_json_option
@add_common_options
def reset_radar(as_json: bool, **where: Any) -> None:
    """Reset the radar through the card: it boots anew and forgets its profile, as with its button."""
    addresses = _addresses(where)
    with _card(addresses) as card:
        card.ping()
        card.reset_radar()
    _say_done("reset-radar", "The radar is reset; it takes a few seconds to boot.", addresses, as_json)


@command.command("set-address")
@click.option("--new-host", metavar="IP", help="This computer's address from then on.")
@click.option("--new-fpga", metavar="IP", help="The card's address from then on.")
@click.option("--new-mac", metavar="MAC", help="The card's hardware address.  [default: that of every new card]")
@click.option("--new-config-port", type=_PORT, metavar="PORT", help="UDP port for control from then on.")
@click.option("--new-data-port", type=_PORT, metavar="PORT", help="UDP port for data from then on.")
@click.option("--write-eeprom", is_flag=True, help="Really write; without it nothing is changed.")
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
@_add_address_options
@add_json_option
@add_common_options
def set_address(write_eeprom: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Store other addresses in the card's EEPROM, which it uses from its next power-on.

    What is not given stays as --host, --fpga, --config-port and --data-port say that it is now. Without --write-eeprom
    this only shows what would be written.
    """
    from isactrack.cli._output import human_facts, print_json
    from isactrack.drivers.awr1642.dca1000 import DEFAULT_MAC, eeprom_config

    wishes = {name: options.pop(f"new_{name}") for name in ("host", "fpga", "mac", "config_port", "data_port")}
    now = _addresses(options)
    new: dict[str, Any] = {
        "host_ip": wishes["host"] or now.host_ip,
        "fpga_ip": wishes["fpga"] or now.fpga_ip,
        "mac": wishes["mac"] or DEFAULT_MAC,
        "config_port": wishes["config_port"] or now.config_port,
        "data_port": wishes["data_port"] or now.data_port,
    }
    payload = eeprom_config(**new)
    facts = {**new, "eeprom_bytes": payload.hex(" ")}
    if not as_json:
        human_facts(facts)
    if write_eeprom and not (yes or _agreed()):
        raise ConfigError("nothing was written", "confirm with y, or give --yes")
    if write_eeprom:
        with _card(now) as card:
            card.ping()
            card.write_eeprom(**new)
    if as_json:
        print_json({**facts, "written": write_eeprom, "recovery": _RECOVERY})
    elif write_eeprom:
        click.echo(
            f"Written. Power-cycle the card and give this computer's port {new['host_ip']}/24; then name the card by "
            f"{_url_options(new)} in the device's URL."
        )
        click.echo(f"  -> {_RECOVERY}")
    if not write_eeprom:
        raise ConfigError("nothing was written", f"add --write-eeprom to write this; {_RECOVERY}")


def _agreed() -> bool:
    """Ask the person at the terminal whether to write; without a terminal the flag is enough."""
    if not sys.stdin.isatty():
        return True
    click.echo(f"With wrong addresses the card cannot be reached; {_RECOVERY}.", err=True)
    return click.confirm("Write them to the card's EEPROM?", err=True)


def _url_options(new: dict[str, Any]) -> str:
    return (
        f"`host={new['host_ip']}&fpga={new['fpga_ip']}&config_port={new['config_port']}"
        f"&fpga_port={new['config_port']}&data_port={new['data_port']}`"
    )


def _say_done(action: str, text: str, addresses: "Addresses", as_json: bool) -> None:
    from isactrack.cli._output import print_json

    if as_json:
        print_json({"address": addresses.fpga_ip, "host": addresses.host_ip, "done": action})
    else:
        click.echo(text)


def _addresses(where: dict[str, Any]) -> "Addresses":
    """Return where the card is now: as shipped, but for what is given."""
    import ipaddress
    from dataclasses import replace

    from isactrack.drivers.awr1642.dca1000 import Addresses

    for name in ("host_ip", "fpga_ip"):
        if where[name] is not None:
            try:
                ipaddress.IPv4Address(where[name])
            except ValueError:
                raise ConfigError(f"{where[name]!r} is no IPv4 address", "write e.g. 192.168.33.30") from None
    return replace(Addresses(), **{name: value for name, value in where.items() if value is not None})


@contextmanager
def _card(addresses: "Addresses") -> Iterator["Dca1000"]:
    from isactrack.drivers.awr1642.dca1000 import Dca1000

    card = Dca1000(addresses)
    try:
        yield card
    finally:
        card.close()
