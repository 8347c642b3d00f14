"""The workloads, one a module: `measure` starts a server, lets it work, and yields what it found."""
