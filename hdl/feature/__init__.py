"""feature."""
