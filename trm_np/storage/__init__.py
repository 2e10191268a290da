"""Model files and every other file that is written: whole or not at all, and read with distrust."""
