"""Encryption with vodozemac: thin glue that answers exactly as the browsers' library does.

No ratchet, cipher or signature is written here. State lives in the store and changes within its transactions,
which are committed before anything that follows from it leaves the device.
"""
