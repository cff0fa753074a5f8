"""The tree of an adaptive neural tree: nodes that come and go, and paths through them.

Shape letters: B samples, C channels, H height, W width, N hidden features, K classes, L leaves.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import TrunkNorm
from core.methods.ant._parts import Router, Solved, Solver, root_transformer, transformer
from core.training import share_batch_statistics

NO_CHILD = -1


class Leaf(NamedTuple):
    """What one leaf says of a batch, and how probable it is."""

    node: int
    log_path_B: Tensor
    solved: Solved


class NeuralTree(nn.Module):
    """Nodes by number, the root 0; a node's children have larger numbers than it has.

    A node with two children has a router, which says with what probability a sample goes to the
    left one; one with a single child passes everything on, through a transformer on that edge; one
    without is a leaf and has a solver. So the shape says which parts there are, and it lies in a
    buffer, so that weights alone give the tree again.

    Parameters
    ----------
    in_channels
        Of the trunk's last map.
    channels
        Of all maps in the tree.
    hidden
        N.
    num_classes
        K.
    norm
        Of transformers.
    """

    children_M2: Tensor

    def __init__(
        self, in_channels: int, *, channels: int, hidden: int, num_classes: int, norm: TrunkNorm
    ) -> None:
        super().__init__()
        self._channels, self._hidden = channels, hidden
        self._num_classes, self._norm = num_classes, norm
        self.root = root_transformer(in_channels, channels, norm=norm)
        self.transformers, self.routers = nn.ModuleDict(), nn.ModuleDict()
        self.solvers = nn.ModuleDict({"0": self.fresh_solver()})
        self.register_buffer("children_M2", torch.full((1, 2), NO_CHILD))
        self._children: list[tuple[int, ...]] = [()]
        self._learning: frozenset[nn.Module] | None = None

    def children_of(self, node: int) -> tuple[int, ...]:
        """None of a leaf, one, or left and right."""
        return self._children[node]

    def leaves(self) -> list[int]:
        """Numbers of the leaves, ascending."""
        return [node for node, children in enumerate(self._children) if not children]

    def depth(self, node: int) -> int:
        """Edges above a node."""
        depths = {0: 0}
        for parent, children in enumerate(self._children):
            depths |= dict.fromkeys(children, depths[parent] + 1)
        return depths[node]

    def attach(self, leaf: int, *, num_children: int) -> None:
        """Give a leaf children with fresh parts; its own solver is gone.

        Two children get the leaf's map as it is, and a router; one gets a transformer.
        """
        first = len(self._children)
        new = tuple(range(first, first + num_children))
        self._take_shape([*self._with(leaf, new), *[() for _ in new]])

    def detach(self, parent: int, solver: nn.Module) -> None:
        """Make a parent of the newest leaves a leaf again, with a solver that it had before."""
        children = self._children[parent]
        if list(children) != list(range(len(self._children)))[-len(children) :]:
            raise ValueError(f"The children {children} of node {parent} are not the newest nodes.")
        self._take_shape(self._with(parent, ())[: -len(children)])
        self.solvers[str(parent)] = solver

    def solver(self, leaf: int) -> Solver:
        """The part of a leaf."""
        return cast(Solver, self.solvers[str(leaf)])

    def parts_below(self, parent: int) -> list[nn.Module]:
        """What came with a node's children: a router or a transformer, and the solvers."""
        children = self._children[parent]
        if len(children) == 2:
            above: nn.Module = self.routers[str(parent)]
        else:
            above = self.transformers[str(children[0])]
        return [above, *(self.solvers[str(child)] for child in children)]

    def grow_like(self, children_M2: Tensor) -> None:
        """Take another tree's shape; parts that both have stay, others are fresh."""
        rows = children_M2.tolist()
        # What fresh parts draw is overwritten, so the global generator is to stay as it is.
        with torch.random.fork_rng(devices=[]):
            self._take_shape([tuple(child for child in row if child != NO_CHILD) for row in rows])

    @contextmanager
    def learning(self, parts: list[nn.Module]) -> Iterator[None]:
        """Let no gradient be kept of anything but these parts, within the block."""
        self._learning = frozenset(parts)
        try:
            yield
        finally:
            self._learning = None

    def forward(self, trunk_map_BCHW: Tensor) -> list[Leaf]:
        """All leaves, each with the product of its own path's probabilities."""
        found: list[Leaf] = []
        map_BCHW = self._run(self.root, trunk_map_BCHW)
        # Each waiting node carries its own map and probability, so no order can mix them up.
        waiting = [(0, map_BCHW, torch.zeros(len(map_BCHW), device=map_BCHW.device))]
        while waiting:
            node, map_BCHW, log_path_B = waiting.pop()
            children = self._children[node]
            if not children:
                solved = self._run(self.solvers[str(node)], map_BCHW)
                solved = Solved(*(part.float() for part in solved))
                found.append(Leaf(node, log_path_B, solved))
            elif len(children) == 1:
                edge = self.transformers[str(children[0])]
                waiting.append((children[0], self._run(edge, map_BCHW), log_path_B))
            else:
                z_B = self._run(self.routers[str(node)], map_BCHW).float()
                left, right = children
                waiting.append((right, map_BCHW, log_path_B + functional.logsigmoid(-z_B)))
                waiting.append((left, map_BCHW, log_path_B + functional.logsigmoid(z_B)))
        return sorted(found, key=lambda leaf: leaf.node)

    def map_size(self, trunk_map_BCHW: Tensor, node: int) -> tuple[int, int]:
        """Height and width of the map that a node sees."""
        height, width = trunk_map_BCHW.shape[2:]
        for _ in range(self._num_extensions(node)):
            height, width = height // 2, width // 2
        return height, width

    def _num_extensions(self, node: int) -> int:
        parents = {child: p for p, children in enumerate(self._children) for child in children}
        count = 0
        while node:
            count += len(self._children[parents[node]]) == 1
            node = parents[node]
        return count

    def _run(self, part: nn.Module, x: Tensor) -> Any:
        if self._learning is None or part in self._learning:
            return part(x)
        with torch.no_grad():
            return part(x)

    def _with(self, node: int, children: tuple[int, ...]) -> list[tuple[int, ...]]:
        changed = list(self._children)
        changed[node] = children
        return changed

    def fresh_solver(self) -> Solver:
        """A leaf's part with random weights."""
        return Solver(self._channels, hidden=self._hidden, num_classes=self._num_classes)

    def _take_shape(self, children: list[tuple[int, ...]]) -> None:
        """Make and drop parts until they are those of a shape."""
        self._children = children
        rows = [[*own, *[NO_CHILD] * (2 - len(own))] for own in children]
        device = self.children_M2.device
        self.children_M2 = torch.tensor(rows, dtype=torch.int64, device=device)
        wanted: Mapping[str, list[int]] = {
            "routers": [node for node, own in enumerate(children) if len(own) == 2],
            "transformers": [own[0] for own in children if len(own) == 1],
            "solvers": [node for node, own in enumerate(children) if not own],
        }
        for kind, nodes in wanted.items():
            parts: nn.ModuleDict = getattr(self, kind)
            keys = [str(node) for node in nodes]
            for key in [key for key in parts if key not in keys]:
                del parts[key]
            for key in keys:
                if key not in parts:
                    part = share_batch_statistics(self._part(kind), device)
                    parts[key] = part.to(device).train(self.training)

    def _part(self, kind: str) -> nn.Module:
        if kind == "routers":
            return Router(self._channels)
        if kind == "transformers":
            return transformer(self._channels, norm=self._norm)
        return self.fresh_solver()
