"""The server: it authenticates, relays and stores ciphertext, and never sees what is inside.

Layers, each importing only those behind it: app; gateway, http, jobs, storage, bus and push, which do not
know one another; services; ports; domain; telemetry.
"""
