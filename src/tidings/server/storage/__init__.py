"""Adapters of the ports that keep things: memory, SQLite for mailboxes, SQL for accounts."""
