"""Loaded by the fork server and by nobody else: that it is imported is what it is for.

The server dies with the process that started it, even by SIGKILL. It preloads all that a worker needs, pandas too: a
new worker is there at once, and they share the memory. None of it may start a thread, which the worker would miss.
"""

import gc
import signal

from consumer.executors import child

child.die_with_parent()
child.be_parent()
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a stop is the first process's business; this one ends after it

import consumer.exact  # noqa: E402 - and what else kinds are made of; they themselves come when they are asked for
import consumer.parts.bars  # noqa: E402
import consumer.parts.groups  # noqa: E402
import consumer.parts.sentences  # noqa: E402
import consumer.pool.handful  # noqa: E402, F401

gc.collect()
gc.freeze()  # what is loaded stays: no collection in a worker walks through it again, or has its pages copied
