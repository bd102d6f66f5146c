"""Papers re-run on the product's own code: one file a figure or table."""
