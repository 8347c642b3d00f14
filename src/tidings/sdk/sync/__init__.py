"""What keeps a device and its server in agreement: the inbox, the outbox, and the connection between them."""
