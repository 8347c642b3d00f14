"""The wire: every frame, id, error and limit that crosses between a device and its server.

These Structs are the one source of the protocol. The TypeScript types with their decoders,
`docs/protocol.md`, the lock file and the golden vectors are generated from them (`make wire`).
`wire.content` is apart: it is the plaintext inside the ciphertext, and the server never imports it.
"""
