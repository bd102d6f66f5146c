"""Recordings of everything a device delivered, and tables of what was made of it."""

from isactrack.recordings.header import RecordingHeader
from isactrack.recordings.reader import Recording, open_recording
from isactrack.recordings.tables import TrackTable, read_tracks_csv, write_detections_csv, write_tracks_csv
from isactrack.recordings.validate import Check, validate_recording
from isactrack.recordings.writer import RecordingWriter

__all__ = [
    "Check",
    "Recording",
    "RecordingHeader",
    "RecordingWriter",
    "TrackTable",
    "open_recording",
    "read_tracks_csv",
    "validate_recording",
    "write_detections_csv",
    "write_tracks_csv",
]
