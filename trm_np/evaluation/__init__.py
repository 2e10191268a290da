"""How good a model is: predictions, metrics, baselines, and what lies behind the figures."""
