"""Prints the content of an event file without what depends on the machine's speed.

usage: tfevents_content.py FILE
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))
import tfevents  # noqa: E402

TIMES = {"wall_time", "time_created_secs", "start_time_secs", "end_time_secs"}
RATES = {b"speed/img_per_s", b"epoch/img_per_s", b"speed/communication_ms",
         b"speed/communication_max_ms"}


def content(value):
    if isinstance(value, list):
        return [content(v) for v in value
                if not (isinstance(v, dict) and RATES.intersection(v.get("tag", [])))]
    if isinstance(value, dict):
        return {key: content(v) for key, v in value.items() if key not in TIMES}
    return value


for event in tfevents.events(sys.argv[1]):
    print(content(event))
