"""Where connections end: what comes in by HTTP, what becomes a socket, and the devices behind the sockets."""
