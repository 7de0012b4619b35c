"""`wsgi.errors` writes to where standard error is now, and cannot end it."""

from __future__ import annotations

from servescope.hosting.error_stream import ErrorStream


def test_it_writes_what_pep_3333_has_it_write(capsys):
    stream = ErrorStream()
    assert stream.write("one\n") == 4
    stream.writelines(["two\n", "three\n"])
    stream.flush()
    print("four", file=stream)
    assert capsys.readouterr().err == "one\ntwo\nthree\nfour\n"


def test_it_has_no_way_to_end_the_log_of_the_process():
    assert not {"close", "detach", "buffer", "fileno"} & set(dir(ErrorStream()))
