"""numerai_lab: era-aware experiments for the Numerai tournament.

The command line (`numerai-lab --help`) is the usual way in. From Python:

>>> from numerai_lab.eraframe import EraFrame

Packages import one way only; ARCHITECTURE.md says which.
"""

__version__ = "0.1.0"
