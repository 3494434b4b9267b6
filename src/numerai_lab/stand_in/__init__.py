"""A stand-in for Numerai's server: real HTTP on loopback, its own clock, faults on demand.

It answers the queries that numerapi 3.1 sends, takes uploads, serves datasets with Range, and opens
and closes rounds. Where Numerai's behaviour is not told by numerapi or its documentation, it does
what numerapi's queries imply; each module says where. Nothing here is Numerai's code or data.

`numerai-lab dev-server` runs it for a person, `python -m numerai_lab.stand_in` for
tests.
"""

from numerai_lab.stand_in.listening import Server
from numerai_lab.stand_in.server import StandInSettings, start_stand_in

__all__ = ["Server", "StandInSettings", "start_stand_in"]
