"""What `tidings bench` needs: people, a server of its own, load processes, and the figures.

`disk` says where the data lie, `people` fills a data folder, `server` runs and watches `tidings serve`, `device` and
`crew` are what load processes consist of, `load` runs these; `relay`, `idle` and `start` are the measurements.
"""


class BenchFailed(Exception):
    """There is no figure, and this is why."""
