"""From a stored model and a profile to a recommendation with its reasons."""
