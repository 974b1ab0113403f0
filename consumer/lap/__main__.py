"""`python -m consumer.lap`: one lap.

A worker would import its parent's main module too, and be larger by all that comes with it, unless it has this name.
"""

import asyncio
import sys

from consumer import lap
from consumer.executors import child
from protocol import config

child.die_with_parent()
course = lap.Course.model_validate_json(sys.argv[1])
asyncio.run(lap.run(course, config.load(quick_size=0)))  # what is compared are steps
