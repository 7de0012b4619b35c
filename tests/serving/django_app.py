"""A Django app in one module, hosted over the wire: forms, sessions, streams, files."""

import io
import secrets
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token
from django.urls import path

settings.configure(
    SECRET_KEY=secrets.token_urlsafe(32),  # of this process alone
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.gzip.GZipMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    LOGGING_CONFIG=None,
    USE_TZ=True,
)


def item(_request, number):
    return JsonResponse({"number": number})


def form(request):
    """A form with Django's own token; each good one counts in the session."""
    if request.method == "POST":
        request.session["sent"] = request.session.get("sent", 0) + 1
        return HttpResponseRedirect("/form/")
    return JsonResponse({"token": get_token(request), "sent": request.session.get("sent", 0)})


def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "size": sum(len(part) for part in file.chunks())})


def stream(_request):
    return StreamingHttpResponse((b"z" * 1000 for _ in range(500)), content_type="text/plain")


def download(_request):
    return FileResponse(io.BytesIO(b"0123456789" * 1000), filename="digits.txt")


def this_file(_request):
    return FileResponse(Path(__file__).open("rb"))  # by wsgi.file_wrapper; Django closes it


def fail(_request):
    raise RuntimeError("this view fails")


def large(_request):
    return HttpResponse("compress me " * 10_000, content_type="text/plain")


urlpatterns = [
    path("items/<int:number>/", item),
    path("form/", form),
    path("upload/", upload),
    path("stream/", stream),
    path("download/", download),
    path("this/", this_file),
    path("fail/", fail),
    path("large/", large),
]

django.setup()
application = get_wsgi_application()
