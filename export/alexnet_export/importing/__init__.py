"""Public networks, out of the files they were published in: one file a form, and what they lack."""
