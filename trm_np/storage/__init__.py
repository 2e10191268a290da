"""Read and write files. They are written whole or not at all, and model files are read without trusting them."""
