"""Why a server does not begin."""


class StartError(Exception):
    """A server cannot begin; the text is a sentence for whoever started it."""
