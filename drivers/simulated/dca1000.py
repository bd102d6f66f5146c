"""The DCA1000's FPGA: requests to replies and samples to packets, as bytes in and bytes out."""

import ipaddress
import struct

from isactrack.drivers.awr1642.dca1000 import (
    DEFAULT_DELAY_S,
    DEFAULT_PACKET_BYTES,
    DELAY_LSB_S,
    Addresses,
    Command,
    Request,
    Response,
    StatusFlag,
    encode_data_packet,
    fpga_config,
    payload_bytes,
)
from isactrack.drivers.awr1642.limits import PACKET_TIME_S
from isactrack.errors import ProtocolError

FPGA_VERSION = 0x0402
"""Status of READ_FPGA_VERSION: 2.8, record image."""
_SUCCESS, _FAILURE = 0, 1
_CONFIG_VALUES = ((1, 2), (1, 2), (1, 2), (1, 2), (1, 2, 3))
"""What the bytes of CONFIG_FPGA_GEN may be, but the last, which may be anything."""


class Dca1000Fpga:
    """State of the card between power-on and power-off.

    Attributes
    ----------
    recording
        Whether samples are sent.
    eeprom
        Addresses that were written to the EEPROM, which the card uses from the next power-on; None as shipped.
    """

    def __init__(self) -> None:
        self.eeprom: Addresses | None = None
        self.power_up()

    def power_up(self) -> None:
        """Forget everything but the EEPROM."""
        self._reset()

    def _reset(self) -> None:
        self.recording = False
        self._streams = False  # whether it is configured to send raw samples of this radar to the host
        self._payload_bytes = payload_bytes(DEFAULT_PACKET_BYTES)
        self._delay_s = DEFAULT_DELAY_S
        self._restart_stream()

    def _restart_stream(self) -> None:
        self._sequence = 1
        self._byte_count = 0
        self._held = bytearray()

    @property
    def holds_tail(self) -> bool:
        """Whether a partial packet waits for more samples."""
        return bool(self._held)

    @property
    def payload_bytes(self) -> int:
        """Bytes of data in a full packet."""
        return self._payload_bytes

    @property
    def packet_s(self) -> float:
        """Time from one packet to the next when there is enough to send, seconds."""
        return PACKET_TIME_S + self._delay_s

    def handle(self, datagram: bytes) -> list[bytes]:
        """Take a datagram of the control port and return the replies; malformed ones get none."""
        try:
            request = Request.decode(datagram)
            command = Command(request.command)
        except (ProtocolError, ValueError):
            return []
        status = _SUCCESS
        if command is Command.RESET_FPGA:
            self._reset()
        elif command is Command.CONFIG_FPGA_GEN:
            status = self._configure(request.payload)
        elif command is Command.CONFIG_PACKET_DATA:
            self._configure_packets(request.payload)
        elif command is Command.RECORD_START:
            self._restart_stream()
            self.recording = self._streams
        elif command is Command.RECORD_STOP:
            self.recording = False
        elif command is Command.READ_FPGA_VERSION:
            status = FPGA_VERSION
        elif command is Command.CONFIG_EEPROM and not self._write_eeprom(request.payload):
            return [Response(command, _FAILURE).encode(), status_report(StatusFlag.EEPROM_FAILURE)]
        return [Response(command, status).encode()]

    def _configure(self, payload: bytes) -> int:
        values = payload[:-1]
        if len(payload) != 6 or any(
            value not in allowed for value, allowed in zip(values, _CONFIG_VALUES, strict=True)
        ):
            return _FAILURE
        self._streams = values == fpga_config()[:-1]
        return _SUCCESS

    def _configure_packets(self, payload: bytes) -> None:
        # Four bytes is what some programs send; the card then keeps its packet size.
        if len(payload) == 6:
            (packet_bytes, delay, _) = struct.unpack("<HHH", payload)
            self._payload_bytes = max(16, min(payload_bytes(packet_bytes), payload_bytes(DEFAULT_PACKET_BYTES)))
            self._delay_s = delay * DELAY_LSB_S

    def _write_eeprom(self, payload: bytes) -> bool:
        """Store addresses (IPs and MAC reversed, two ports); False if they cannot be any."""
        if len(payload) != 18:
            return False
        host, fpga = (ipaddress.IPv4Address(payload[first : first + 4][::-1]) for first in (0, 4))
        config_port, data_port = struct.unpack_from("<HH", payload, 14)
        if host.is_unspecified or fpga.is_unspecified or config_port == data_port or 0 in (config_port, data_port):
            return False
        self.eeprom = Addresses(
            host_ip=str(host), fpga_ip=str(fpga), fpga_port=config_port, config_port=config_port, data_port=data_port
        )
        return True

    def stream(self, samples: bytes) -> list[bytes]:
        """Take samples from the LVDS lanes and return the full packets; the rest is held back."""
        if not self.recording:
            return []
        self._held += samples
        packets = []
        while len(self._held) >= self._payload_bytes:
            packets.append(self._packet(self._payload_bytes))
        return packets

    def flush(self) -> list[bytes]:
        """Return the partial packet that was held back, if there is one."""
        return [self._packet(len(self._held))] if self._held else []

    def _packet(self, size: int) -> bytes:
        packet = encode_data_packet(self._sequence, self._byte_count, bytes(self._held[:size]))
        del self._held[:size]
        self._sequence += 1
        self._byte_count += size
        return packet


def status_report(flags: StatusFlag) -> bytes:
    """Return the message with which the card reports something on its own."""
    return Response(Command.SYSTEM_ERROR, int(flags)).encode()


def record_completed() -> bytes:
    """Return the status that the card sends when a record has ended."""
    return status_report(StatusFlag.RECORD_COMPLETED)
