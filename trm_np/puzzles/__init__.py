"""Puzzles for the recursive core. Read task.py first, then model.py, which reads like the paper, and training.py."""
