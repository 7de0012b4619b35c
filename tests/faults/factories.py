"""A factory of WSGI apps."""


def create_app(greeting):
    def app(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [greeting.encode()]

    return app
