"""Pictures of what was measured, drawn with matplotlib (extra `[plots]`), each from rows or files by a function."""
