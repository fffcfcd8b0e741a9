"""Moments at which a world can break."""

from enum import Enum


class Moment(Enum):
    STORE = "a master's store is about to be made"
    STORED = "it is made, and the master does not know it yet"
    ANSWERED = "the master knows it, and has answered"
    WRITE = "an agent is about to write something down"
    WRITTEN = "it has, and goes on from there"
    TO_MASTER = "a message of a link is about to be received by a master"
    TO_AGENT = "a message of a link is about to be received by an agent"
    RECEIVED = "it was received, with all that follows from it at once"
