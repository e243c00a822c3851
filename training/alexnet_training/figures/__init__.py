"""Pictures of a run, as PNG files."""
