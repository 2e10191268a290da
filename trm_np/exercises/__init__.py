"""The coding exercises of the lessons: a file to fill in for each lesson, hints, and checks of what was written."""

LESSONS = ("0", "0b", *map(str, range(1, 14)))
