"""An app with Werkzeug: request, response, routing, test client, debugger."""

from werkzeug.routing import Map, Rule
from werkzeug.serving import run_simple
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

ROUTES = Map([Rule("/notes/<int:number>", endpoint="note", methods=["GET"])])


@Request.application
def app(request):
    routes = ROUTES.bind_to_environ(request.environ)
    _, values = routes.match()  # raises 404 or 405 where no route fits
    reader = request.args.get("reader", "nobody")
    return Response(f"Note {values['number']}, read by {reader}\n")


if __name__ == "__main__":
    # The test client calls the app as a server would, without a socket.
    print(Client(app).get("/notes/7?reader=Ada").text)
    # A server for your own machine alone: the debugger runs code for whoever has its PIN.
    run_simple("127.0.0.1", 5000, app, use_debugger=True, use_reloader=True)
