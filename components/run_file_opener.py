"""The button that opens a run file: the run of another machine joins the list here."""

from __future__ import annotations

from typing import Final

import dash_mantine_components as dmc
from dash import html

from components import forms
from components.help import attributes
from components.path_prefix import below_prefix
from servescope.run_files.archive import MEDIA_TYPE, MOST_BYTES, SUFFIX

ANSWER: Final = "run-file-answer"


def run_file_opener(why_not: str) -> html.Div:
    """The button and its answer; when `why_not` says something, nothing can be opened.

    `assets/run_files.js` asks for the file and sends it.
    """
    return forms.actions(
        html.Div(
            dmc.Button(
                "Open a run file", id="run-file-open", variant="default", disabled=bool(why_not)
            ),
            **attributes(
                data_open_run_file=below_prefix("/runs/open"),
                data_answer_place=ANSWER,
                data_suffix=f".{SUFFIX}",
                data_media_type=MEDIA_TYPE,
                data_most_bytes=str(MOST_BYTES),
            ),
        ),
        answer_id=ANSWER,
        why_not=why_not,
    )
