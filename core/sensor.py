"""The kinds of sensor there are. What is common to them is all that devices, sessions and recordings ask for."""

from isactrack.fmcw import FmcwSensor
from isactrack.ofdm import OfdmSensor

Sensor = FmcwSensor | OfdmSensor
"""A sensor as it really runs; see `FmcwSensor` and `OfdmSensor`."""
