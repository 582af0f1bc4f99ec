"""The scalars and settings of an event file are those of the run folder's other files.

usage: check_tensorboard.py RUN_DIR s1|s2
"""

import csv
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))
import tfevents  # noqa: E402

run, names = sys.argv[1:]
path = os.path.join(run, "events.out.tfevents.cohort")
events = tfevents.events(path)
by_tag = tfevents.values(path)

assert events[0]["file_version"] == [b"brain.Event:2"], events[0]
walls = [event["wall_time"][0] for event in events]
assert abs(walls[0] - os.stat(path).st_mtime) < 3600
assert walls[1:] == sorted(walls[1:])


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)  # a scalar is a float32


def compare(tag, rows, column, scale=1.0, x="step"):
    """The scalars with that tag are the column of those rows of metrics.csv."""
    got = [(step, value["simple_value"][0]) for step, _, value in by_tag[tag]]
    want = [(int(row[x]), scale * float(row[column])) for row in rows]
    assert len(got) == len(want) > 0, (tag, len(got), len(want))
    for g, w in zip(got, want):
        assert g[0] == w[0] and close(g[1], w[1]), (tag, g, w)


with open(os.path.join(run, "metrics.csv"), encoding="utf-8") as file:
    table = list(csv.DictReader(file))
steps = [row for row in table if row["event"] == "step"]
tests = [row for row in table if row["event"] == "evaluation" and row["split"] == "test"]
if names == "s2":
    compare("train/batch_loss", steps, "running_loss")
    compare("lr/group_0", steps, "lr")
    compare("train/gradient_norm", steps, "gradient_norm")
    compare("train/weight_norm", steps, "weight_norm")
    compare("test/loss", tests, "loss", x="epoch")
    compare("test/accuracy", tests, "accuracy", x="epoch")
else:
    compare("lr", steps, "lr")
    compare("val_loss", tests, "loss")
    compare("val_prec1", tests, "accuracy", 100.0)
    compare("val_prec5", tests, "accuracy5", 100.0)
    # means over the epoch so far: the last of an epoch is that of the epoch
    for row in (row for row in table if row["event"] == "epoch"):
        for tag, column, scale in (("train_loss", "loss", 1.0), ("train_prec1", "accuracy", 100.0)):
            last = [v["simple_value"][0] for s, _, v in by_tag[tag] if s == int(row["step"])]
            assert len(last) == 1 and close(last[0], scale * float(row[column])), (tag, row)
    for step, _, value in by_tag["train_prec5"]:
        assert 0.0 <= value["simple_value"][0] <= 100.0
    assert {"img_sec", "train_loss", "train_prec1"} <= set(by_tag)

# the settings, as config.yaml has them
content = lambda tag: by_tag[tag][0][2]["metadata"][0]["plugin_data"][0]  # noqa: E731
start = content("_hparams_/session_start_info")
assert start["plugin_name"] == [b"hparams"]
hparams = {entry["key"][0].decode(): entry["value"][0]
           for entry in start["content"][0]["session_start_info"][0]["hparams"]}
settings = {}
with open(os.path.join(run, "config.yaml"), encoding="utf-8") as file:
    for line in file:
        if ": " in line and not line.startswith("#"):
            key, text = line.rstrip("\n").split(": ", 1)
            settings[key] = text
assert float(settings["lr"]) == hparams["lr"]["number_value"][0]
assert float(settings["batch_size"]) == hparams["batch_size"]["number_value"][0]
assert hparams["model"]["string_value"] == [settings["model"].encode()]
assert hparams["shuffle"]["bool_value"] == [settings["shuffle"] == "true"]
infos = content("_hparams_/experiment")["content"][0]["experiment"][0]
assert {info["name"][0].decode() for info in infos["hparam_infos"]} == set(hparams)
for metric in infos["metric_infos"]:
    assert metric["name"][0]["tag"][0].decode() in by_tag, metric
end = content("_hparams_/session_end_info")["content"][0]["session_end_info"][0]
assert end["status"] == [1], end
print(f"{len(events)} records, {len(by_tag)} tags, {len(hparams)} settings: as they should be")
