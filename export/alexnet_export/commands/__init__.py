"""One file a subcommand of ``alexnet-export``: its flags, and what it prints."""
