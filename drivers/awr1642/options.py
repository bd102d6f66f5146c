"""What ``awr1642://`` says: the console's port, where host and capture card talk, and where the radar stands."""

import ipaddress

from isactrack.drivers.awr1642.dca1000 import Addresses
from isactrack.drivers.awr1642.discovery import find_consoles
from isactrack.drivers.url import DeviceUrl, parse_pose
from isactrack.errors import ConfigError, DeviceNotFoundError
from isactrack.geometry import Pose


def parse_options(url: DeviceUrl) -> tuple[Addresses, Pose]:
    """Return where host and capture card talk and where the radar stands, by the options of ``awr1642://``.

    Raises
    ------
    ConfigError
        If an option is unknown or has a value that cannot be.
    """
    d = Addresses()
    o = url.take(
        host=d.host_ip,
        fpga=d.fpga_ip,
        config_port=d.config_port,
        data_port=d.data_port,
        fpga_port=d.fpga_port,
        pose=None,
        spy=None,
        data="auto",
    )
    addresses = Addresses(
        host_ip=_ip(url, "host", o["host"]),
        fpga_ip=_ip(url, "fpga", o["fpga"]),
        config_port=_udp_port(url, "config_port", o["config_port"]),
        data_port=_udp_port(url, "data_port", o["data_port"]),
        fpga_port=_udp_port(url, "fpga_port", o["fpga_port"]),
    )
    return addresses, parse_pose(url.text, o["pose"])


def console_port(url: DeviceUrl) -> str:
    """Return the console's serial port that ``awr1642://PORT`` names; ``auto``, or none, is the one that is found.

    Raises
    ------
    DeviceNotFoundError
        If none is to be found, or several are.
    """
    if url.target not in ("", "auto"):
        return url.target
    ports = find_consoles()
    if len(ports) == 1:
        return ports[0]
    if not ports:
        raise DeviceNotFoundError(
            "no radar board is connected: no USB port is the user UART of an XDS110 or CP2105",
            "connect the AWR1642BOOST by USB and power it; without hardware use sim://awr1642",
        )
    names = ", ".join(ports)
    raise DeviceNotFoundError(f"several radar boards are connected: {names}", "name one, e.g. awr1642:///dev/ttyACM0")


def _ip(url: DeviceUrl, name: str, value: object) -> str:
    try:
        return str(ipaddress.IPv4Address(str(value)))
    except ValueError:
        raise ConfigError(f"{name}={value} in {url.text!r} is no IPv4 address", "write e.g. 192.168.33.30") from None


def _udp_port(url: DeviceUrl, name: str, value: object) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise ConfigError(f"{name}={value} in {url.text!r} is no UDP port", "use 1 to 65535")
    return value
