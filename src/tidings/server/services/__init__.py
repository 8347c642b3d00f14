"""One use case a file. Each is an object that is given its ports once and called for every command or request."""
