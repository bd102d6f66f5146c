"""From detections to tracks, and the measures that tell how good they are."""

from isactrack.tracking.metrics import Gospa, TrackingScore, evaluate_tracks, gospa, ospa
from isactrack.tracking.tracker import Tracker, TrackerConfig

__all__ = ["Gospa", "Tracker", "TrackerConfig", "TrackingScore", "evaluate_tracks", "gospa", "ospa"]
