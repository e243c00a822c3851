"""The network as PyTorch learns it."""
