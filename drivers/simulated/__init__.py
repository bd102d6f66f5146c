"""Simulated devices, which stand at the wire: real drivers talk to them over serial lines and sockets."""
