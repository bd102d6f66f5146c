"""The figures of indoor-multi-person-isac-26ghz."""
