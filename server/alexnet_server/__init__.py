"""HTTP in; labels, features and neighbours out."""
