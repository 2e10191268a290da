"""The shipped data as JSON files: base scenarios, held-out scenarios and the gift catalogue."""
