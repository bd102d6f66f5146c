"""The figures of indoor-multi-person-isac-26ghz: the scene of Fig. 3 and what is counted in it."""

from pathlib import Path

import numpy as np
import pytest

from isactrack.experiments.catalogue import CATALOGUE, load
from isactrack.experiments.experiment import Verdict
from isactrack.experiments.indoor_isac import association_figure as fig3
from isactrack.experiments.trials import run_trials
from isactrack.tracks import Track, TrackStatus


def test_the_scene_is_that_of_fig_3() -> None:
    """While the two are one detection, or one is missed, something else is there, far off."""
    for seed in range(20):
        scene = fig3.make_crossing(seed, fig3.PARAMETERS)
        gap = np.linalg.norm(scene.paths[0] - scene.paths[1], axis=1)
        assert gap.min() < 0.5
        assert abs(int(gap.argmin()) - fig3.CROSSING) <= 12
        assert gap[fig3.BEFORE].min() > 0.5
        assert gap[fig3.AFTER].min() > 0.5
        middle = scene.detections[fig3.CROSSING]
        away = np.linalg.norm(middle.position_m - scene.paths[:, fig3.CROSSING].mean(axis=0), axis=1)
        assert np.any(away > 1.0), "something appears"
        assert np.count_nonzero(away < 0.6) <= 1, "they are one"


def test_scenes_repeat_and_differ() -> None:
    one, same, other = (fig3.make_crossing(seed, fig3.PARAMETERS) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.detections[50].position_m, same.detections[50].position_m)
    assert not np.array_equal(one.paths, other.paths)


def _tracks(scene: fig3.Crossing, names: dict[int, tuple[int, int]]) -> list[list[Track]]:
    """Return perfect tracks whose identities change at the crossing from the first of `names` to the second."""
    steps = []
    for step in range(fig3.STEPS):
        late = int(step >= fig3.CROSSING)
        steps.append(
            [
                Track(
                    pair[late],
                    TrackStatus.CONFIRMED,
                    step * fig3.PERIOD_S,
                    np.array([scene.paths[person, step, 0], 0.0, scene.paths[person, step, 1], 0.0]),
                    np.eye(4),
                    step + 1,
                )
                for person, pair in names.items()
            ]
        )
    return steps


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({0: (1, 1), 1: (2, 2)}, "kept"),
        ({0: (1, 2), 1: (2, 1)}, "swapped"),
        ({0: (1, 1), 1: (2, 3)}, "lost"),
        ({0: (1, 1)}, "unborn"),
    ],
)
def test_what_becomes_of_identities(names: dict[int, tuple[int, int]], expected: str) -> None:
    scene = fig3.make_crossing(5, fig3.PARAMETERS)
    assert fig3.outcome(scene, _tracks(scene, names)) == expected


def test_who_is_followed_by_nobody_is_lost() -> None:
    scene = fig3.make_crossing(5, fig3.PARAMETERS)
    steps = _tracks(scene, {0: (1, 1), 1: (2, 2)})
    steps = [tracks if step < fig3.CROSSING else tracks[:1] for step, tracks in enumerate(steps)]
    assert fig3.outcome(scene, steps) == "lost"


@pytest.mark.slow
def test_fig_3(tmp_path: Path) -> None:
    """A few trials: only the plain algorithm forces pairs, and it keeps fewer identities."""
    experiment = load("indoor-isac/fig3")
    assert experiment.title == CATALOGUE["indoor-isac/fig3"].title
    run = run_trials(experiment, trials=8, seed=1)
    assert not run.failures
    kept = {name: sum(one["methods"][name]["outcome"] == "kept" for one in run.results) for name in fig3.METHODS}
    assert kept[fig3.PENALTY] >= 6
    assert kept[fig3.PLAIN] <= kept[fig3.PENALTY] - 2
    rows = experiment.summarise(run.results).rows
    assert [row.verdict for row in rows[:2]] == [Verdict.AGREES, Verdict.AGREES]
    assert rows[1].ours == 0.0
    experiment.draw(run.results, tmp_path / "fig3.png")
    assert (tmp_path / "fig3.png").stat().st_size > 20_000
