"""The commands of ``alexnet``: what each takes and does."""
