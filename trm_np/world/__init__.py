"""Truth that does not depend on the model: the reward, the metrics, and the baselines to beat."""
