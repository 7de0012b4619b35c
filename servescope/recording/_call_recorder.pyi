# Compiled from c/call_recorder.c; not there where no C compiler was.

from servescope.recording.call_recorder import Quiet as Quiet
from servescope.recording.call_recorder import call_recorder as call_recorder
