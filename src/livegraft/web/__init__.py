"""The web pages: rendered on the server, live by server-sent events, no build step; ``app.build`` makes them."""
