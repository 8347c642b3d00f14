"""`python -m tidings` is `tidings`."""

from tidings.cli.__main__ import main

if __name__ == "__main__":
    main()
