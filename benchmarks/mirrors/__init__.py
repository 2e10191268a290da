"""The model and its training in other frameworks, as oracles and rivals in speed."""
