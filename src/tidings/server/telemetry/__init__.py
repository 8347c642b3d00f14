"""Names of what is counted and of what is logged. Neither ever holds content or an address."""
