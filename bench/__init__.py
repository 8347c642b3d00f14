"""Tidings beside the servers that people would pick instead: same machine, same work, one run.

Run as `python -m bench` from the top of the tree (`make bench-peers`); modules import each other as `bench.…`.
"""
