# Compiled from c/call.c, c/caller.c and c/record.c; not there where no C compiler was.

from servescope.middleware.wsgi_calls import Call as Call
from servescope.middleware.wsgi_calls import Caller as Caller
