"""What tests share: a clock to wind, stores to fill, servers and browsers to start."""
