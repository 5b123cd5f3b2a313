import os
import sys

# `python -m` puts the working folder first: a file of the user's, random.py or the like, would stand in for a library
if not sys.flags.safe_path and sys.path[:1] in ([""], [os.getcwd()]):  # noqa: PTH109 (pathlib would be looked up there, too)
    del sys.path[0]

from mirnb.cli import main

if __name__ == "__main__":  # worker processes import this module again
    raise SystemExit(main())
