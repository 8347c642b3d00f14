"""Pure rules: who may do what, what counts as delivered, how much is allowed. No I/O, no clock of their own."""
