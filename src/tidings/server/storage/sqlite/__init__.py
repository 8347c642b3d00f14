"""The mailbox store on one machine: an SQLite file of its own, with group commit."""
