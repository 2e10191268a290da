"""A trained model in other forms: smaller files, graphs and tensors for other programs, and a program of its own."""
