"""Applications of frameworks that no server of ours has wrapped: called as any server would."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmeter.testing import ModelServer, Reply
from tests.zero_code.running import ASK, metered, reported

CALLED = """
from wsgiref.util import setup_testing_defaults

def called(app, path):
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    answer = app(environ, lambda status, headers, *error: print(status))
    b"".join(answer)
    getattr(answer, "close", lambda: None)()
"""
FLASK = """
from flask import Flask
app = Flask("shop")

@app.get("/ask/<int:times>")
def asked(times):
    for _ in range(times):
        ask()
    return "done"

called(app, "/ask/2")
called(app, "/ask/0")
"""
DJANGO = """
import asyncio, django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

def asked(request, times):
    for _ in range(times):
        ask()
    return HttpResponse("done")

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="test")
django.setup()
urlpatterns = [path("ask/<int:times>", asked)]
"""
DJANGO_WSGI = """
from django.core.wsgi import get_wsgi_application
app = get_wsgi_application()
called(app, "/ask/2")
called(app, "/ask/0")
"""
DJANGO_ASGI = """
import httpx
from django.core.asgi import get_asgi_application

async def main():
    transport = httpx.ASGITransport(app=get_asgi_application())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        for times in (2, 0):
            print((await client.get(f"/ask/{times}")).status_code)

asyncio.run(main())
"""
STARLETTE = """
import asyncio, httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def asked(request):
    for _ in range(request.path_params["times"]):
        ask()
    return PlainTextResponse("done")

app = Starlette(routes=[Route("/ask/{times:int}", asked)])

async def main():
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        for times in (2, 0):
            print((await client.get(f"/ask/{times}")).status_code)

asyncio.run(main())
"""
PROGRAMS = {
    "flask": CALLED + FLASK,
    "django, WSGI": CALLED + DJANGO + DJANGO_WSGI,
    "django, ASGI": DJANGO + DJANGO_ASGI,
    "starlette": STARLETTE,
}


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(default=Reply(input=10, output=2)) as server:
        yield server


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_http_request_is_a_request(name: str, models: ModelServer, tmp_path: Path) -> None:
    """Its calls are on it, and one without any leaves nothing."""
    (tmp_path / "app.py").write_text(ASK + PROGRAMS[name])
    done = metered(tmp_path, "app.py", MODELS=models.base_url)
    assert [line[:3] for line in done.stdout.splitlines()] == ["200", "200"], done.stderr
    found = [(one["name"], one["calls"]) for one in reported(tmp_path)["requests"]]
    assert found == [("GET /ask/2", 2)]


def test_a_framework_is_not_imported_for_it(tmp_path: Path) -> None:
    """Nothing is loaded that the program does not use."""
    names = ("uvicorn", "starlette", "flask", "django", "gunicorn", "hypercorn", "openai")
    (tmp_path / "app.py").write_text(
        f"import sys; print([n for n in {names!r} if n in sys.modules])"
    )
    assert metered(tmp_path, "app.py").stdout == "[]\n"
