"""Entry of the supervisor, started as a file: `python -I -S supervisor.py --state-dir DIR --socket PATH`.

As a file, not as a module of the package, because importing the packages above it would cost memory that every machine
pays for good. The program is in the folder `supervision` beside this file, which imports nothing of the rest.
"""

import os
import sys

if __name__ == "__main__":
    # At the end: a module of the standard library can never be hidden by a file of this folder.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 -- pathlib costs memory
    __import__("supervision.program").program.main(sys.argv[1:])
