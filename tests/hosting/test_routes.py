from __future__ import annotations

import pytest

from servescope.hosting.routes import fold_path


@pytest.mark.parametrize(
    ("target", "route"),
    [
        ("/", "/"),
        ("/a/b?c=1", "/a/b"),
        ("/users/17/notes", "/users/{id}/notes"),
        ("/x/6f9619ff-8b86-d011-b42d-00c04fc964ff", "/x/{id}"),
        ("/blob/0123456789abcdef", "/blob/{id}"),
        ("/blob/0123456789abcde", "/blob/0123456789abcde"),
        ("/v2/x", "/v2/x"),
        ("/1/2/3/4/5/6/7/8/9", "/{id}/{id}/{id}/{id}/{id}/{id}/{path}"),
        ("*", "*"),
    ],
)
def test_variable_segments_are_folded(target: str, route: str):
    assert fold_path(target) == route
