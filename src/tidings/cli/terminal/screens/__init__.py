"""What fills the terminal at a time, and what is laid over it."""
