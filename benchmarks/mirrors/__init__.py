"""The model and its training in other frameworks: oracles for ours, and rivals in speed."""
