"""The timeline of a simulation has a lane for each worker, in virtual time.

usage: check_virtual_timeline.py FILE STEPS FORWARD_US...

FORWARD_US: what each worker's forward takes; backward takes twice that, the rest nothing. Who is
done first waits for the others.
"""

import json
import sys

path, steps = sys.argv[1], int(sys.argv[2])
forward = [float(word) for word in sys.argv[3:]]
with open(path, encoding="utf-8") as file:
    document = json.load(file)
assert document["otherData"]["dropped_spans"] == 0
events = document["traceEvents"]
lanes = [e for e in events if e["name"] == "process_name"]
assert [e["pid"] for e in lanes] == list(range(1, len(forward) + 1))
for rank, lane in enumerate(lanes):
    assert lane["args"]["name"].startswith(f"rank {rank} ("), lane
step_us = 3 * max(forward)
for pid, us in enumerate(forward, 1):
    by_name = {}
    for e in events:
        if e["pid"] == pid and e["ph"] == "X":
            by_name.setdefault(e["name"], []).append(e)
    for name, expected in (("forward", us), ("backward", 2 * us)):
        found = [e["dur"] for e in by_name[name]]
        assert len(found) == steps, (pid, name, len(found))
        assert all(abs(d - expected) < 0.01 for d in found), (pid, name, found[0])
    for k, e in enumerate(by_name["reduce"]):
        waited = step_us - 3 * us
        assert waited <= e["dur"] <= waited + 0.02 * step_us, (pid, k, e["dur"], waited)
    assert len(by_name["reduce"]) == len(by_name["step"]) == steps
print(f"{len(forward)} workers, {steps} steps: as they should be")
