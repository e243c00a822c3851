"""The endpoints, a file a subject; each gives a Flask blueprint bound to what it serves."""
