"""The page at ``/``: three files, no build step, no request to anywhere else."""
