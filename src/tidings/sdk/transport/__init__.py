"""Bytes to and from the server: the socket, and HTTP for coming in."""
