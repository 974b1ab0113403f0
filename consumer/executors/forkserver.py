"""Loaded by the fork server and by nobody else: that it is imported is what it is for.

The server dies with the process that started it, even by SIGKILL. It preloads what is safe to fork: numpy, but
not pandas, whose pyarrow starts a thread that would be missing in the child.
"""

import signal

from consumer.executors import child

child.die_with_parent()
child.be_parent()
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a stop is the first process's business; this one ends after it

import numpy as np  # noqa: E402, F401
import pydantic  # noqa: E402, F401

import protocol.job  # noqa: E402, F401
