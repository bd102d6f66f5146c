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
        close = get_close_matches(name, CATALOGUE, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(f"there is no experiment {name!r}", f"{hint}`isactrack reproduce` lists all")
    experiment: Experiment = getattr(import_module(entry.module), entry.attribute)
    return experiment
