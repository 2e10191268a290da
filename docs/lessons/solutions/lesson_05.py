"""Solutions of the exercises of lesson 5."""


def dropout(x, p, rng):
    keep = rng.random(x.shape) >= p
    return x * keep / (1 - p)


def dropout_rule(x, keep, p):
    factor = keep / (1 - p)
    return x * factor, lambda g: (g * factor,)
