"""What may be wrong with bytes from a peer."""


class WireError(Exception):
    """The peer sent bytes that cannot be read. `str(error)` is a sentence for it."""


class DecodeError(WireError):
    """A request's body is not the message expected. The sentence is the body of the 400 answer."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class RecordError(WireError):
    """A RecordIO stream is broken for good."""


class LinkError(WireError):
    """A frame of the link between agent and master cannot be read; the link must be closed."""
