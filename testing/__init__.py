"""Contracts as test suites: what every device must keep, for drivers in this package and for others."""

from isactrack.testing.device_contract import check_device

__all__ = ["check_device"]
