"""A timeline is strict JSON whose spans nest on every track, with all that a step is made of.

usage: check_timeline.py FILE STEPS LOADER_THREADS LAYER...
"""

import json
import sys
from decimal import Decimal

path, steps, loaders = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
layers = set(sys.argv[4:])


def refuse(word):
    raise ValueError(f"{word} is no JSON")


with open(path, encoding="utf-8") as file:
    document = json.load(file, parse_float=Decimal, parse_constant=refuse)
assert document["otherData"]["dropped_spans"] == 0
events = document["traceEvents"]
names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
assert len(set(names.values())) == len(names)
tracks = {"training"} | {f"loader {i + 1}" for i in range(loaders)}
assert set(names.values()) - {"checkpoints"} == tracks, names
spans = [e for e in events if e["ph"] == "X"]
assert len(spans) + len(names) + 1 == len(events)


def nest(track):
    """Every span of the track lies within the one around it; returns [(span, its children)]."""
    root = []
    stack = [(None, root)]
    for span in sorted(track, key=lambda e: (e["ts"], -e["dur"])):
        end = span["ts"] + span["dur"]
        while stack[-1][0] is not None and span["ts"] >= stack[-1][0]["ts"] + stack[-1][0]["dur"]:
            stack.pop()
        around = stack[-1][0]
        assert around is None or end <= around["ts"] + around["dur"], (around, span)
        node = (span, [])
        stack[-1][1].append(node)
        stack.append(node)
    return root


copies = []
writes = []
training = next(tid for tid, name in names.items() if name == "training")
for tid in names:
    tree = nest([s for s in spans if s["tid"] == tid])
    if names[tid] == "checkpoints":
        for span, children in tree:
            assert (span["cat"], span["name"]) == ("checkpoint", "write"), span
            assert [s["name"] for s, _ in children] == ["wait for the sinks"]
            writes.append(span["args"]["step"])
        continue
    if tid != training:
        assert {s["cat"] for s, _ in tree} <= {"load"}, names[tid]
        for _, children in tree:
            assert {s["cat"] for s, _ in children} <= {"augment"}
        continue
    seen = 0
    for span, children in tree:
        if span["cat"] == "evaluate":
            continue
        if span["cat"] == "checkpoint":
            assert (span["name"], span["args"]["step"]) == ("copy", seen), span
            copies.append(seen)
            continue
        assert span["cat"] == "step", span
        seen += 1
        assert span["args"]["step"] == seen, span
        kinds = [s["cat"] for s, _ in children]
        wanted = ["load", "forward", "loss", "backward", "communicate", "update"]
        assert kinds == wanted, kinds
        deep = {"layer forward": set(), "layer backward, weights": set()}
        for part, operations in children:
            inside = {s["cat"].split(",")[0] for s, _ in operations}
            allowed = {"forward": {"layer forward"},
                       "load": {"load"},
                       "backward": {"layer backward", "communicate"}}
            assert inside <= allowed.get(part["cat"], set()), (part["cat"], inside)
            for s, _ in operations:
                deep.get(s["cat"], set()).add(s["name"])
        for category, found in deep.items():
            assert layers <= found, (category, layers - found)
    assert seen == steps, seen
assert copies == writes, (copies, writes)
print(f"{len(spans)} spans of {steps} steps, {len(copies)} checkpoints: as they should be")
