"""The lab: many runs under the same dice, what they show and how sure it is. Read trial.py, sweep.py, effects.py."""
