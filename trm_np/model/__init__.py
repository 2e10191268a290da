"""The model: read core.py first, then the components in the order of their numbers, then trm.py, which joins them."""
