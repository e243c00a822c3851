"""How often a network is right, and what its features find."""
