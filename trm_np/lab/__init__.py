"""The lab: many runs with the same seeds, what they show and how certain it is. Read trial.py, sweep.py, effects.py."""
