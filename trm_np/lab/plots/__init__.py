"""Draw results with matplotlib (extra `[plots]`)."""
