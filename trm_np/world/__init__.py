"""Facts that do not depend on a model: the reward, the tools, and the realised value of a gift."""
