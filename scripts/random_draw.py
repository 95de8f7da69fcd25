# SPDX-License-Identifier: Apache-2.0
"""Random graphs of all there is to draw from."""

import numpy as np

import random_graphs
import random_microsoft
import random_rare
import random_rewrites
from random_graphs import Graph, Rejected

SINGLE, RARE = random_graphs.SINGLE, random_rare.SINGLE + random_microsoft.SINGLE
PATTERNS = random_graphs.PATTERNS + random_rewrites.PATTERNS


def random_graph(seed):
    """(model, feed) of 3 to 30 nodes and more where a pattern ends it; the same for the same seed."""
    rng = np.random.default_rng(seed)
    g = Graph(rng, int(rng.choice(random_graphs.OPSETS)))
    shapes = [(2, 3), (1, 4, 6), (2, 4, 8), (1, 3, 6, 6), (2, 4, 5, 7), (5,), (3, 1, 4)]
    for _ in range(g.number(1, 2)):
        g.add_input(g.floats(g.pick(shapes)))
    most = g.number(3, 30)
    for _ in range(6 * most):
        if len(g.nodes) >= most:
            break
        before = len(g.nodes)
        try:
            g.pick(PATTERNS if g.chance(0.4) else RARE if g.chance(0.2) else SINGLE)(g)
        except Rejected:
            if g.chance(0.5):  # what was begun stays half of the time: it is what nearly fits
                continue
            for node in g.nodes[before:]:
                for name in node.output:
                    g.values.pop(name, None)
            del g.nodes[before:]
    if not g.nodes:
        g.node("Relu", [g.some()])
    return g.model(symbolic=rng.choice([0.0, 0.0, 0.3, 1.0]))
