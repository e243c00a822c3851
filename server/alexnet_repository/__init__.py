"""The model repository on disk, as whoever writes, checks or serves it reads it."""
