"""Facts that do not depend on a model: the reward, the tools, and the votes of words."""
