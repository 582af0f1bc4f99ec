"""The histograms of the gradient are the same in two event files, but for rounding.

usage: check_gradients.py EVENTS EVENTS
"""

import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))
import tfevents  # noqa: E402

one, other = (tfevents.values(path) for path in sys.argv[1:])
tags = [tag for tag in one if tag.startswith("grads/")]
assert len(tags) == 10, tags
assert any(tag.startswith("misclassified/") for tag in other), "no pictures"
for tag in tags:
    assert [row[0] for row in one[tag]] == [row[0] for row in other[tag]] == [3, 6], tag
    for a, b in zip(one[tag], other[tag]):
        a, b = a[2]["histo"][0], b[2]["histo"][0]
        assert a["num"] == b["num"]
        for key in "min", "max", "sum_squares":
            assert math.isclose(a[key][0], b[key][0], rel_tol=1e-4, abs_tol=1e-7), (tag, key)
