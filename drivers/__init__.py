"""Devices: whatever yields frames. `isactrack.drivers.registry.open_device` opens one by its URL."""
