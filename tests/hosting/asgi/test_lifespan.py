from __future__ import annotations

import pytest

from servescope.hosting.asgi.host import AsgiHost
from servescope.hosting.asgi.lifespan import LIFESPAN_SENDS, Lifespan, LifespanState
from tests.hosting.asgi.asgi_client import HandWaiter


async def polite(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["pool"] = 1
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})


def live(app) -> tuple[Lifespan, AsgiHost, object]:
    host = AsgiHost(app)
    lifespan = Lifespan(host, "asgi", HandWaiter)
    running = app(lifespan.scope, lifespan.receive, lifespan.send)
    step(lifespan, running)
    return lifespan, host, running


def step(lifespan, running) -> None:
    try:
        running.send(None)
    except StopIteration:
        lifespan.finish(None)
    except BaseException as error:  # noqa: BLE001 - what a driver does
        lifespan.finish(error)


def test_up_and_down():
    lifespan, host, running = live(polite)
    assert lifespan.state is LifespanState.UP
    assert host.state == {"pool": 1}
    stopping = lifespan.stop()
    stopping.send(None)
    assert lifespan.state is LifespanState.STOPPING
    step(lifespan, running)
    assert lifespan.state is LifespanState.DOWN
    with pytest.raises(StopIteration):
        stopping.send(None)


def test_who_waits_for_the_start_is_woken():
    lifespan = Lifespan(AsgiHost(polite), "asgi", HandWaiter)
    waiting = lifespan.started()
    waiting.send(None)
    lifespan.send({"type": "lifespan.startup.complete"})
    with pytest.raises(StopIteration):
        waiting.send(None)


def test_a_startup_that_fails_says_why():
    async def app(_scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    lifespan, host, _ = live(app)
    assert (lifespan.state, lifespan.message) == (LifespanState.FAILED, "no database")
    assert host.state is None


@pytest.mark.parametrize("error", [None, AssertionError("only http")])
def test_an_app_without_a_lifespan_is_served_all_the_same(error, caplog):
    async def app(*_call):
        if error:
            raise error

    lifespan, host, _ = live(app)
    assert lifespan.state is LifespanState.ABSENT
    assert host.state is None
    assert not caplog.records, "no warning: it is allowed"
    with pytest.raises(StopIteration):
        lifespan.stop().send(None)


def test_a_lifespan_that_breaks_later_is_logged(caplog):
    async def app(_scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ZeroDivisionError("on purpose")

    lifespan, _, _ = live(app)
    assert lifespan.state is LifespanState.DOWN
    assert "on purpose" in caplog.text


@pytest.mark.parametrize("state", LifespanState)
@pytest.mark.parametrize("kind", sorted({kind for _, kind in LIFESPAN_SENDS}))
def test_the_table(state, kind):
    lifespan = Lifespan(AsgiHost(polite), "asgi", HandWaiter)
    lifespan.state = state
    if (state, kind) in LIFESPAN_SENDS:
        lifespan.send({"type": kind})
        assert lifespan.state is LIFESPAN_SENDS[state, kind]
    else:
        with pytest.raises(RuntimeError, match="may not send"):
            lifespan.send({"type": kind})
