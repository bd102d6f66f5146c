"""Recordings of everything a device delivered, and tables of what was made of it."""

from isactrack.recordings.clocks import ClockEstimate, StreamOffset, estimate_clock
from isactrack.recordings.cut import CutReport, cut_recording
from isactrack.recordings.export import ExportFormat, ExportReport, MissingFrames, export_recording
from isactrack.recordings.folder import RecordingFolder, StreamRecording, open_recording
from isactrack.recordings.header import RecordingHeader
from isactrack.recordings.manifest import create_folder
from isactrack.recordings.reader import Recording
from isactrack.recordings.repair import RepairReport, repair_recording
from isactrack.recordings.repair_folder import FolderRepairReport, repair_folder
from isactrack.recordings.segments import SegmentedWriter
from isactrack.recordings.tables import TrackTable, read_tracks_csv, write_detections_csv, write_tracks_csv
from isactrack.recordings.validate import Check, validate_recording
from isactrack.recordings.validate_folder import validate_folder
from isactrack.recordings.writer import RecordingWriter

__all__ = [
    "Check",
    "ClockEstimate",
    "CutReport",
    "ExportFormat",
    "ExportReport",
    "FolderRepairReport",
    "MissingFrames",
    "Recording",
    "RecordingFolder",
    "RecordingHeader",
    "RecordingWriter",
    "RepairReport",
    "SegmentedWriter",
    "StreamOffset",
    "StreamRecording",
    "TrackTable",
    "create_folder",
    "cut_recording",
    "estimate_clock",
    "export_recording",
    "open_recording",
    "read_tracks_csv",
    "repair_folder",
    "repair_recording",
    "validate_folder",
    "validate_recording",
    "write_detections_csv",
    "write_tracks_csv",
]
