"""What services need from the world, as Protocols that state guarantees. Every adapter passes `tests/contract`."""
