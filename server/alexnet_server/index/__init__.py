"""The pictures that can be found again: SQLite is the truth."""
