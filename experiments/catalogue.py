"""All experiments by name. A module is imported when its experiment is asked for, so that the list costs nothing.

To add one, write a module with an `EXPERIMENT` and its line here.
"""

from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

from isactrack.errors import ConfigError
from isactrack.experiments.experiment import Experiment


class Entry(NamedTuple):
    """Where an experiment is.

    Attributes
    ----------
    title
        Its title, as its module says it.
    module, attribute
        Module and name of the `Experiment` in it.
    """

    title: str
    module: str
    attribute: str = "EXPERIMENT"


CATALOGUE: dict[str, Entry] = {
    "mnomp-spa-kf/fig3": Entry(
        "Estimates of MNOMP around two places and the ellipse of the Cramer-Rao bound",
        "isactrack.experiments.mnomp_spa_kf.bounds_figures",
        "FIG3",
    ),
    "mnomp-spa-kf/fig5": Entry(
        "Mean squared error of the position over the SNR beside the Cramer-Rao bound",
        "isactrack.experiments.mnomp_spa_kf.bounds_figures",
        "FIG5",
    ),
    "mnomp-spa-kf/fig6": Entry(
        "Tracks of the twelve methods, six targets of which two are 0.5 m and 0.4 m/s apart at first",
        "isactrack.experiments.mnomp_spa_kf.tracks_figure",
    ),
    "mnomp-spa-kf/fig7": Entry(
        "MOSPA of the twelve methods, and of the one with the radial velocity in the update",
        "isactrack.experiments.mnomp_spa_kf.mospa_figure",
    ),
    "mnomp-spa-kf/fig8": Entry(
        "A weak target at 5.2 dB beside two at 15.2 dB: the detector alone, and with the tracker",
        "isactrack.experiments.mnomp_spa_kf.weak_target_figure",
    ),
    "mnomp-spa-kf/experiment1": Entry(
        "Experiment I: two people whose paths cross, on the simulated AWR1642",
        "isactrack.experiments.mnomp_spa_kf.field_experiments",
        "EXPERIMENT_1",
    ),
    "mnomp-spa-kf/experiment2": Entry(
        "Experiment II: two people, a cyclist and a parked car, on the simulated AWR1642",
        "isactrack.experiments.mnomp_spa_kf.field_experiments",
        "EXPERIMENT_2",
    ),
    "mnomp-spa-kf/experiment3": Entry(
        "Experiment III: two people and a moving car, on the simulated AWR1642",
        "isactrack.experiments.mnomp_spa_kf.field_experiments",
        "EXPERIMENT_3",
    ),
    "indoor-isac/fig3": Entry(
        "Two paths cross while a false target appears: association with and without the penalty",
        "isactrack.experiments.indoor_isac.association_figure",
    ),
    "indoor-isac/fig5": Entry(
        "Impulse response before and after the modified MTI",
        "isactrack.experiments.indoor_isac.impulse_figure",
    ),
    "indoor-isac/fig6": Entry(
        "Two and three people who walk in two rooms: tracks, and their errors",
        "isactrack.experiments.indoor_isac.people_figure",
    ),
}
"""Experiments by name, ``paper/figure``, in the order of the paper."""


def load(name: str) -> Experiment:
    """Import an experiment and return it.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        close = get_close_matches(name, CATALOGUE, n=1, cutoff=0.35)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(f"there is no experiment {name!r}", f"{hint}`isactrack reproduce` lists all")
    experiment: Experiment = getattr(import_module(entry.module), entry.attribute)
    return experiment
