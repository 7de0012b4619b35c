"""Recorders for other people's servers: one line added to an app shows its requests on the pages.

    from servescope.middleware.wsgi import ServescopeMiddleware   # Flask, Django, any WSGI app
    from servescope.middleware.asgi import ServescopeMiddleware   # Starlette, FastAPI, any ASGI app

    app = ServescopeMiddleware(app)

Each process that serves writes into a ring of its own in the data folder; the collector of the
dashboard that leads there reads them all. The app neither waits for a dashboard nor needs one.
"""
