"""Contracts as test suites: what every device and associator must keep, in this package and in others."""

from isactrack.testing.association_contract import check_associator, enumerated_marginals
from isactrack.testing.device_contract import check_device

__all__ = ["check_associator", "check_device", "enumerated_marginals"]
