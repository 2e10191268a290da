"""Compare many runs with the same seeds. Read trial.py, sweep.py and effects.py first."""
