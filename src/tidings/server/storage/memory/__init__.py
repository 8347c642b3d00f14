"""Stores that forget: the plainest statement of what the durable ones must do."""
