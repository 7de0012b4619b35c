"""A web server: hardware and software, pages and sites, and one request byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Chapter, Reading, Setting, steps_of
from servescope.chapters.guesses import NumberGuess
from servescope.experiments.bundled_listeners import of_files, of_wsgi
from servescope.experiments.opened_page import OpenedPage
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    files = measured["files"]
    sent, received = measured["sent"], measured["received"]
    content = sum(one["content"] for one in files)
    told = (
        f"It took {counted(len(files), 'request')}. The client sent {sent:,} bytes in all. The "
        f"server sent {received:,} bytes: {content:,} bytes of content, and "
        f"{received - content:,} bytes of heads. A head is the first part of an answer, and says "
        "what the content is."
    )
    to_read_the_steps = (
        "In the steps below, 127.0.0.1 is the address by which a machine reaches itself, and the "
        "port is a number that says which program on it is meant (chapter 3). A request begins "
        "with GET: send me the file or page at this address. The first line of an answer has its "
        "status: 200 says that it worked, 301 that the page has another address (chapter 4 has "
        "more of them). The lines up to the empty one are the head. The content comes after it."
    )
    return Reading(
        float(len(files)),
        steps=steps_of(measured),
        facts=tuple(
            (f"{one['target']}, status {one['status']}", f"{one['content']:,} bytes of content")
            for one in files
        ),
        told=(told, to_read_the_steps),
    )


CHAPTER: Final = Chapter(
    name="web-server",
    number=1,
    title="A web server",
    question=(
        "You type an address into a browser and press Enter. How many requests does the browser "
        "send to the server, until it has everything that it shows?"
    ),
    before=(
        (
            "The words web server have two meanings. One is a computer in a network that has the "
            "files of a site. The other is a program on it that waits for requests (messages that "
            "ask for something) and answers each of them. The rules for requests and answers are "
            "called HTTP. This dashboard is such a program, and has several servers in it, which "
            "it calls listeners. The listener “files” answers with the files of a folder."
        ),
        (
            "A page is a document with an address. A site is many pages that belong together. Some "
            "pages lie on the disk as files. Others are made by a program, an application (in "
            "short: app), each time that somebody asks for one."
        ),
        (
            "A browser is a client: a program that sends requests. It draws what it gets on the "
            "screen (it renders it). A page is a text, written in HTML. Its pictures, its style "
            "(how it looks, written in CSS) and its scripts (what it does, written in JavaScript) "
            "are not in this text: the text only names them. Each of them is a file with an "
            "address of its own."
        ),
        (
            "Below you choose an address. The page /welcome/ has a style, a script and four "
            "pictures. The page / of the app is made by a program, and has a style and a script. "
            "In this experiment a small client asks as a browser does, with one request for each "
            "file, but it runs no script. It asks a server that has the same folder as “files”, or "
            "the app."
        ),
    ),
    guess=NumberGuess("The server gets", "requests", 1, 100),
    knob="The address",
    settings=(
        Setting(
            "page",
            "/welcome/ (a page of HTML)",
            OpenedPage(of_files(), "/welcome/"),
            7.0,
            "One request brings the HTML. Only when the client has read it, does it know of the "
            "style, the script and the four pictures. It sends a request for each of them.",
        ),
        Setting(
            "text",
            "/documents/first-request.txt (text)",
            OpenedPage(of_files(), "/documents/first-request.txt"),
            1.0,
            "Plain text names nothing else: one request brings all there is.",
        ),
        Setting(
            "without-slash",
            "/welcome (without the / at its end)",
            OpenedPage(of_files(), "/welcome"),
            8.0,
            "The address of a folder ends with a /. So the first answer is a redirect: it names "
            "the address /welcome/, and the client asks again, there.",
        ),
        Setting(
            "listing",
            "/ (a folder without a page of its own)",
            OpenedPage(of_files(), "/"),
            1.0,
            "The server makes a page itself, a list of the files in the folder. It names them as "
            "links: a browser asks for a link only when somebody clicks it.",
        ),
        Setting(
            "app",
            "/ of an app (a style and a script)",
            OpenedPage(of_wsgi(), "/"),
            3.0,
            "A function in Python makes the HTML for this one request; the style and the script "
            "that it names are files again.",
        ),
    ),
    read=_read,
    after=(
        (
            "The steps above are all that a web server does: a client connects, its request comes, "
            "the answer goes, the connection ends."
        ),
        (
            "A real browser sends a few requests more: for the icon of the site (/favicon.ico), "
            "and for what the scripts of the page ask for. It uses one connection for several "
            "requests, and keeps files, so that it need not ask for them again. Its developer "
            "tools (key F12) list each request in the panel Network."
        ),
    ),
)
