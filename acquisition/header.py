"""What a recording says of the device that it comes from."""

from isactrack.drivers.device import Device
from isactrack.geometry import Pose, RoomOutline
from isactrack.recordings import RecordingHeader


def describe_device(
    device: Device, *, note: str = "", stream: str = "", pose: Pose | None = None, room: RoomOutline | None = None
) -> RecordingHeader:
    """Return the header of a recording of a configured device.

    Parameters
    ----------
    device
        The device.
    note, stream
        See `RecordingHeader`.
    pose, room
        Where it stands, and the walls around it; None for what itself says.
    """
    info = device.info
    return RecordingHeader(
        sensor=device.sensor,
        source=info.source,
        origin=info.origin,
        device_url=info.url,
        device_model=info.model,
        serial_number=info.serial_number,
        firmware=info.firmware,
        profile_text=device.profile_text,
        pose=pose or device.pose,
        room=room or device.room,
        note=note,
        stream=stream,
    )
