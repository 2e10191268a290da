"""What is true whatever the model says: the reward, the metrics, and the baselines to beat."""
