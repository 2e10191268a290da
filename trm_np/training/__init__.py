"""Training of the model, and a run of it in a folder."""
