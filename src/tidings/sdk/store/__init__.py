"""What a device keeps: one SQLite file, one process, every change of a step in one transaction."""
