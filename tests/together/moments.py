"""Moments at which a world can break."""

from enum import Enum


class Moment(Enum):
    STORE = "a master's store is about to be made"
    STORED = "it is made, and the master does not know it yet"
    ANSWERED = "the master knows it, and has answered"
    MESSAGE = "a message of a link is about to be received"
    RECEIVED = "it was received, with all that follows from it at once"
