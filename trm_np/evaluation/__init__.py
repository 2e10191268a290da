"""Quality of a model: predictions, metrics, baselines, and diagnostics of the metrics."""
