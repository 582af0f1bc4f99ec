"""A timeline is strict JSON whose spans nest on every track, with all that a step is made of.

usage: check_timeline.py FILE STEPS LOADER_THREADS LAYER...

Of several workers each has a lane; in every step they exchange gradients at the same time.
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
everything = document["traceEvents"]
lanes = {e["pid"]: e["args"]["name"] for e in everything if e["name"] == "process_name"}
assert len(set(lanes.values())) == len(lanes)
assert {e["pid"] for e in everything} == set(lanes) == set(range(1, len(lanes) + 1))


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


def check_step(children):
    kinds = [s["cat"] for s, _ in children]
    assert kinds == ["load", "forward", "loss", "backward", "communicate", "update"], kinds
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


def check_training(tree):
    """Returns after which steps there were checkpoints."""
    seen = 0
    copies = []
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
        check_step(children)
    assert seen == steps, seen
    return copies


def check_lane(events):
    """All of one process; returns its spans of the exchange and the number of checkpoints."""
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert len(set(names.values())) == len(names)
    tracks = {"training"} | {f"loader {i + 1}" for i in range(loaders)}
    assert set(names.values()) - {"checkpoints"} == tracks, names
    spans = [e for e in events if e["ph"] == "X"]
    assert len(spans) + len(names) + 1 == len(events)
    copies = []
    writes = []
    for tid, name in names.items():
        tree = nest([s for s in spans if s["tid"] == tid])
        if name == "training":
            copies = check_training(tree)
            continue
        for span, children in tree:
            if name == "checkpoints":
                assert (span["cat"], span["name"]) == ("checkpoint", "write"), span
                assert [s["name"] for s, _ in children] == ["wait for the sinks"]
                writes.append(span["args"]["step"])
            else:
                assert span["cat"] == "load", span
                assert {s["cat"] for s, _ in children} <= {"augment"}
    assert copies == writes, (copies, writes)
    reduces = [s for s in spans if s["name"] == "reduce"]
    assert len(reduces) == steps, len(reduces)
    return reduces, len(copies)


exchanges = []
checkpoints = 0
for pid in lanes:
    found, copied = check_lane([e for e in everything if e["pid"] == pid])
    exchanges.append(found)
    checkpoints += copied
for k, together in enumerate(zip(*exchanges)):
    last = max(s["ts"] for s in together)
    first = min(s["ts"] + s["dur"] for s in together)
    assert last <= first, (k + 1, last - first)
count = sum(e["ph"] == "X" for e in everything)
print(f"{count} spans of {steps} steps, {checkpoints} checkpoints: as they should be")
