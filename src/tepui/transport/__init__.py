"""How bytes come in and go out: the HTTP server, event streams, the link, the clock, and the turn of the loop."""
