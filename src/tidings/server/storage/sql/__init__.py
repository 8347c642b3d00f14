"""Accounts, sign-ins and keys in SQL: SQLite here, the same code for the databases of a cluster."""
