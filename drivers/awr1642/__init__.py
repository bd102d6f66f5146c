"""Texas Instruments AWR1642BOOST with the DCA1000EVM capture card: console, profile, Ethernet control and data."""
