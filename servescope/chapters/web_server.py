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
        f"It took {counted(len(files), 'request')}. The client sent {sent:,} bytes, and the server "
        f"{received:,}: {content:,} bytes of content, and {received - content:,} bytes of heads, "
        "which say what the content is."
    )
    return Reading(
        float(len(files)),
        steps=steps_of(measured),
        facts=tuple(
            (f"{one['target']} ({one['status']})", f"{one['content']:,} bytes of content")
            for one in files
        ),
        told=(told,),
    )


CHAPTER: Final = Chapter(
    name="web-server",
    number=1,
    title="A web server",
    question=(
        "You type an address into a browser and press Enter. How many requests does the server get "
        "for what you see then?"
    ),
    before=(
        (
            "Two things are called web server. The hardware is a computer with a network, which "
            "has the files of a site. The software is a program on it that waits for requests and "
            "answers them. The rules for requests and answers are called HTTP. This dashboard is "
            "such a program, and has several inside, which it calls listeners. The listener "
            "“files” answers with the files of a folder."
        ),
        (
            "A page is a document with an address. A site is many pages that belong together. An "
            "application (app) is a program that makes pages, for whoever asks, when they ask; "
            "other pages lie on the disk as files."
        ),
        (
            "A browser is a client: it sends requests, and draws (renders) what it gets. A page of "
            "HTML is text; it only names its pictures, its style (CSS: how it looks), and its "
            "scripts (JavaScript: what it does). Each of them has an address of its own."
        ),
        (
            "The page /welcome/, which you can choose below, has a style, a script and four "
            "pictures. The client here sends one request for each address, to a server of the same "
            "folder that “files” has."
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
            "One request brings the HTML. Only when it has read that, the client knows of the "
            "style, the script and the four pictures, and sends a request for each.",
        ),
        Setting(
            "text",
            "/documents/first-request.txt (plain text)",
            OpenedPage(of_files(), "/documents/first-request.txt"),
            1.0,
            "Plain text names nothing else: one request brings all there is.",
        ),
        Setting(
            "without-slash",
            "/welcome (the same page, without the / at its end)",
            OpenedPage(of_files(), "/welcome"),
            8.0,
            "The folder has the address /welcome/. So the first answer is a redirect: it says "
            "where the page is, and the client asks there again.",
        ),
        Setting(
            "listing",
            "/ (a folder without a page)",
            OpenedPage(of_files(), "/"),
            1.0,
            "The server makes a page itself, the list of the files in the folder. It names them as "
            "links: a browser fetches those only when somebody clicks them.",
        ),
        Setting(
            "app",
            "/ of an app (a program makes a page with a style and a script)",
            OpenedPage(of_wsgi(), "/"),
            3.0,
            "A function in Python makes the HTML for this one request; the style and the script "
            "that it names are files again.",
        ),
    ),
    read=_read,
    after=(
        (
            "The steps above are everything that a web server does: a connection is made, a "
            "request comes, an answer goes, the connection ends. What is written \\r\\n is the end "
            "of a line, two bytes."
        ),
        (
            "A real browser sends a few more: the icon of the site (/favicon.ico), and what the "
            "scripts of the page ask for. It keeps connections for several requests, and keeps "
            "files that it has already. The panel Network of its developer tools (key F12) lists "
            "each one."
        ),
    ),
)
