"""Truth that does not depend on the model: the reward, the tools, and what a gift is really worth."""
