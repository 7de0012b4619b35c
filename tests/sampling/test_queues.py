import socket

import pytest

from servescope.catalog import ACCEPT_QUEUE_BACKLOG, ACCEPT_QUEUE_DEPTH, CONNECTION_COUNT
from servescope.sampling.inet_diag import InetDiag
from servescope.sampling.proc_tcp import ProcTcp
from servescope.sampling.queues import PortLabels, SocketSampler

ALWAYS = float("inf")  # no bound on what a reading may cost: taken at each call


def readings(sampler):
    return {(s.metric, *(value for _, value in s.labels)): s.value for s in sampler.sample()}


def test_the_queue_of_a_port_has_the_name_of_its_listener(listen):
    listening = listen(backlog=5)
    port = port_of(listening)
    sampler = SocketSampler(lambda: {port: PortLabels(str(port), "shop")}, reading_share=ALWAYS)
    whose = (("listener", "shop"), ("port", str(port)))
    assert {(s.metric, s.labels) for s in sampler.sample()} == {
        (ACCEPT_QUEUE_DEPTH, whose),
        (ACCEPT_QUEUE_BACKLOG, whose),
        (CONNECTION_COUNT, (("network.connection.state", "established"), ("port", str(port)))),
    }


def port_of(listening):
    return listening.getsockname()[1]


def labelled(listening):
    return {port_of(listening): PortLabels(str(port_of(listening)))}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_depth_backlog_and_connections_of_our_port(listen, connect, eventually, address):
    listening, other = listen(address, backlog=5), listen(address)
    port = str(port_of(listening))
    sampler = SocketSampler(lambda: labelled(listening), reading_share=ALWAYS)
    assert readings(sampler) == {
        (ACCEPT_QUEUE_DEPTH, port): 0,
        (ACCEPT_QUEUE_BACKLOG, port): 5,
        (CONNECTION_COUNT, "established", port): 0,
    }
    connect(listening, 3)
    connect(other)
    eventually(
        lambda: readings(sampler),
        {
            (ACCEPT_QUEUE_DEPTH, port): 3,
            (ACCEPT_QUEUE_BACKLOG, port): 5,
            (CONNECTION_COUNT, "established", port): 3,
        },
    )


def test_a_state_that_went_away_is_zero(listen, connect, eventually):
    listening = listen()
    port = str(port_of(listening))
    sampler = SocketSampler(lambda: labelled(listening), reading_share=ALWAYS)
    (client,) = connect(listening)

    def told():
        return {key[1]: value for key, value in readings(sampler).items() if len(key) == 3}

    server, _ = listening.accept()
    with server:
        client.close()
        eventually(told, {"established": 0, "close_wait": 1})
    eventually(told, {"established": 0, "close_wait": 0})
    assert readings(sampler)[ACCEPT_QUEUE_DEPTH, port] == 0


def test_ports_come_and_go(listen):
    first, second = listen(), listen()
    ports = {}
    sampler = SocketSampler(lambda: ports)

    def told():
        return {int(key[-1]) for key in readings(sampler)}

    assert told() == set()
    ports |= labelled(first)
    assert told() == {port_of(first)}
    ports |= labelled(second)
    assert told() == {port_of(first), port_of(second)}
    del ports[port_of(first)]
    assert told() == {port_of(second)}
    ports.clear()
    assert told() == set()


def test_readings_that_cost_more_than_their_share_are_taken_less_often(listen, connect):
    listening = listen()
    ports = labelled(listening)
    frugal = SocketSampler(lambda: ports, reading_share=1e-9)
    lavish = SocketSampler(lambda: ports, reading_share=ALWAYS)
    before = readings(frugal)
    connect(listening, 2)
    assert readings(frugal) == before
    assert readings(lavish) != before
    ports |= labelled(listen())  # new ports do not wait
    assert readings(frugal) == readings(lavish)


def test_without_netlink_there_is_no_backlog(listen):
    listening = listen()
    port = str(port_of(listening))
    sampler = SocketSampler(lambda: labelled(listening), ProcTcp(), ALWAYS)
    assert readings(sampler) == {
        (ACCEPT_QUEUE_DEPTH, port): 0,
        (CONNECTION_COUNT, "established", port): 0,
    }


def test_sockets_that_share_a_port_are_added_up(sockets, connect, eventually):
    first = sockets.enter_context(
        socket.create_server(("127.0.0.1", 0), backlog=5, reuse_port=True)
    )
    sockets.enter_context(
        socket.create_server(("127.0.0.1", port_of(first)), backlog=7, reuse_port=True)
    )
    port = str(port_of(first))
    sampler = SocketSampler(lambda: labelled(first), InetDiag(), ALWAYS)
    connect(first, 4)
    eventually(lambda: readings(sampler)[ACCEPT_QUEUE_DEPTH, port], 4)
    assert readings(sampler)[ACCEPT_QUEUE_BACKLOG, port] == 12


def test_ports_with_one_label_are_one_series(listen, connect, eventually):
    first, second, third = listen(backlog=5), listen(backlog=7), listen()
    shared = PortLabels("comparison")
    ports = {port_of(first): shared, port_of(second): shared} | labelled(third)
    sampler = SocketSampler(lambda: ports, reading_share=ALWAYS)
    connect(first, 3)
    connect(second, 1)
    alone = str(port_of(third))
    told = {
        (ACCEPT_QUEUE_DEPTH, "comparison"): 4,
        (ACCEPT_QUEUE_BACKLOG, "comparison"): 12,
        (CONNECTION_COUNT, "established", "comparison"): 4,
        (ACCEPT_QUEUE_DEPTH, alone): 0,
        (ACCEPT_QUEUE_BACKLOG, alone): 5,
        (CONNECTION_COUNT, "established", alone): 0,
    }
    eventually(lambda: readings(sampler), told)
    del ports[port_of(first)]
    told |= {
        (ACCEPT_QUEUE_DEPTH, "comparison"): 1,
        (ACCEPT_QUEUE_BACKLOG, "comparison"): 7,
        (CONNECTION_COUNT, "established", "comparison"): 1,
    }
    eventually(lambda: readings(sampler), told)
    del ports[port_of(second)]
    assert {key[-1] for key in readings(sampler)} == {alone}
