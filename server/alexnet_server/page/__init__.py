"""The page at ``/``: a few files, no build step, no request to anywhere else."""
