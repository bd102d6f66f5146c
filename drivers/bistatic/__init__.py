"""A bistatic OFDM radio on USB or UDP, and the box with its local oscillator on TCP."""
