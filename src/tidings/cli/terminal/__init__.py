"""The terminal client: screens on the SDK, and nothing but the SDK."""
