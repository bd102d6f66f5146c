"""The bistatic OFDM radio, simulated at the wire: channel, impairments, firmware, USB backend, UDP server, LO box."""
