"""Solutions of the exercises of lesson 13."""


def chosen(qualities, noise, repeats, rng):
    scores = qualities + noise * rng.normal(size=(repeats, len(qualities)))
    best = scores.argmax(axis=1)
    again = qualities[best] + noise * rng.normal(size=repeats)
    return scores.max(axis=1).mean(), again.mean()


def chance_of_better(first, second):
    larger, equal = first[:, None] > second, first[:, None] == second
    return (larger + equal / 2).mean()
