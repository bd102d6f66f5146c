"""From detections to tracks, and the measures that tell how good they are.

`Tracker` predicts, associates by any method of `associators` (GNN, PDA, JPDA, SPA, the Hungarian algorithm with and
without a penalty, or one's own that keeps the contract of `association`), updates with positions and, if told so,
radial velocities, and gives each track a probability of existence. `paper_config` has the settings of mnomp-spa-kf,
`bistatic_tracker_config` those for the bistatic radio. Metrics: OSPA, labelled OSPA, MOSPA, GOSPA, trajectory GOSPA,
CLEAR-MOT, RMSE and NEES.
"""

from isactrack.tracking.metrics import ScoreSettings, TrackingScore, evaluate_tracks, score_scans
from isactrack.tracking.metrics_clear_mot import ClearMot, clear_mot
from isactrack.tracking.metrics_consistency import Nees, nees, rmse
from isactrack.tracking.metrics_gospa import Gospa, TrajectoryGospa, gospa, trajectory_gospa
from isactrack.tracking.metrics_ospa import (
    Mospa,
    OspaSettings,
    assign_labels,
    labelled_ospa,
    mospa,
    ospa,
    ospa_over_time,
)
from isactrack.tracking.metrics_sets import LabelledSet
from isactrack.tracking.tracker import Tracker, TrackerConfig, bistatic_tracker_config, paper_config

__all__ = [
    "ClearMot",
    "Gospa",
    "LabelledSet",
    "Mospa",
    "Nees",
    "OspaSettings",
    "ScoreSettings",
    "Tracker",
    "TrackerConfig",
    "TrackingScore",
    "TrajectoryGospa",
    "assign_labels",
    "bistatic_tracker_config",
    "clear_mot",
    "evaluate_tracks",
    "gospa",
    "labelled_ospa",
    "mospa",
    "nees",
    "ospa",
    "ospa_over_time",
    "paper_config",
    "rmse",
    "score_scans",
    "trajectory_gospa",
]
