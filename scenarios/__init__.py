"""The shipped data: base scenarios, held-out scenarios and the gift catalogue, as JSON files."""
