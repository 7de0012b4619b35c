"""Hello with Flask: routes, a variable in a path, an API with JSON."""

from flask import Flask, abort, request

app = Flask(__name__)


@app.get("/")
def hello():
    return "<p>Hello, world!</p>"


@app.get("/notes/<int:number>")
def note(number):
    return {"number": number, "text": f"This is note {number}."}


@app.post("/api/sum")
def add():
    numbers = request.get_json()
    if not isinstance(numbers, list) or not all(isinstance(one, int) for one in numbers):
        abort(400, "Send a JSON array of whole numbers.")
    return {"sum": sum(numbers)}


if __name__ == "__main__":
    app.run(port=5000)
