"""The figures of mnomp-spa-kf: one file a figure or a group that shares its trials."""
