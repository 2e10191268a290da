"""Puzzles for the recursive core. Read task.py first, then model.py, which follows the paper, and training.py."""
