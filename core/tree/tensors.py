"""The same trees from tensors: nothing leaves the device, and rows may be spread over workers.

Growth goes level by level. The histograms of all nodes of a level are filled at once, a chunk of
features at a time, and with several workers they are summed by all-reduce. Sums are of whole
numbers, hence exact, and gains are taken by IEEE operations that are rounded one by one, so
device, chunks and workers make no difference to the tree.

Shape letters: N rows (of this worker), D features, F features of a chunk, A nodes of a level, L
levels, T thresholds, K classes, C columns (the classes, then the number of rows), M nodes.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from core.errors import ConfigError, DataError
from core.tree._gain import GAIN_GRID, UNIT, Criterion, rounding_constant
from core.tree._samples import MAX_SAMPLES
from core.tree._settings import Settings
from core.tree._tensor_gain import information_gains, squared_error_gains
from core.tree._tensor_samples import as_columns
from core.tree._tree import DecisionTree

MAX_BYTES = 2**28
_TABLES = 8
"""Tables of a chunk's size that are alive at once while its gains are computed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorTree:
    """A tree on a device. Its tensors are those of `DecisionTree`, under the same names."""

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    num_samples: Tensor
    depth: int
    num_levels: int
    num_features: int

    def predict(self, levels_ND: Tensor) -> Tensor:
        """(N, K) float64 mean label vectors of the leaves that the rows reach."""
        node_N = torch.zeros(len(levels_ND), dtype=torch.int64, device=levels_ND.device)
        levels_ND = levels_ND.to(torch.int64)
        for _ in range(self.depth):
            level_N = levels_ND.gather(1, self.feature[node_N, None])[:, 0]
            goes_left_N = level_N <= self.threshold[node_N]
            node_N = torch.where(goes_left_N, self.left[node_N], self.right[node_N])
        return self.value[node_N]

    def to_tree(self) -> DecisionTree:
        """Copy it to the CPU."""
        return DecisionTree(
            feature=self.feature.cpu().to(torch.int32).numpy(),
            threshold=self.threshold.cpu().to(torch.int32).numpy(),
            left=self.left.cpu().to(torch.int32).numpy(),
            right=self.right.cpu().to(torch.int32).numpy(),
            value=self.value.cpu().numpy(),
            num_samples=self.num_samples.cpu().numpy(),
            num_levels=self.num_levels,
            num_features=self.num_features,
        )


def fit_tensors(
    levels_ND: Tensor,
    labels_NK: Tensor,
    *,
    num_levels: int,
    max_depth: int,
    criterion: Criterion | str = Criterion.INFORMATION_GAIN,
    min_gain: float = 0.0,
    group: dist.ProcessGroup | None = None,
    max_bytes: int = MAX_BYTES,
) -> TensorTree:
    """Grow the tree of `core.tree.fit_tree` on the device of the tensors.

    Parameters
    ----------
    levels_ND, labels_NK
        As in `fit_tree`. With several workers, the rows of this one, which may be none.
    num_levels, max_depth, criterion, min_gain
        As in `fit_tree`.
    group
        Workers whose rows make up the table together; every one of them must call, and all get the
        same tree. None: this process alone.
    max_bytes
        About the memory that a chunk of features may take. It changes no result.

    Raises
    ------
    ConfigError, DataError
        As `fit_tree` does.

    Examples
    --------
    >>> tree = fit_tensors(torch.tensor([[0], [3]]), torch.eye(2), num_levels=4, max_depth=1)
    >>> tree.predict(torch.tensor([[1]]))
    tensor([[0., 1.]], dtype=torch.float64)
    """
    settings = Settings.of(
        num_levels=num_levels, max_depth=max_depth, criterion=criterion, min_gain=min_gain
    )
    if max_bytes < 1:
        raise ConfigError(f"`max_bytes` must be at least 1, but got {max_bytes}.")
    columns_NC = as_columns(levels_ND, labels_NK, settings)
    grower = _Grower(levels_ND, columns_NC, settings, group, max_bytes)
    return grower.grow()


class _Grower:
    def __init__(
        self,
        levels_ND: Tensor,
        columns_NC: Tensor,
        settings: Settings,
        group: dist.ProcessGroup | None,
        max_bytes: int,
    ) -> None:
        self._levels_DN = levels_ND.t().contiguous()
        self._columns_NC = columns_NC
        self._settings = settings
        self._group = group
        self._max_bytes = max_bytes
        self._num_classes = columns_NC.shape[1] - 1
        self._device = levels_ND.device

    def grow(self) -> TensorTree:
        settings, num_features = self._settings, len(self._levels_DN)
        sums_AC = self._reduced(self._columns_NC.sum(dim=0, keepdim=True))
        num_rows = int(sums_AC[0, -1])
        if not 1 <= num_rows <= MAX_SAMPLES:
            raise DataError(
                f"A tree needs from 1 to {MAX_SAMPLES} samples, but all workers together hold "
                f"{num_rows}."
            )
        # Rows of nodes that became leaves count as those of a node behind the last one.
        node_N = torch.zeros(len(self._columns_NC), dtype=torch.int64, device=self._device)
        parts: list[dict[str, Tensor]] = []
        num_nodes, depth = 0, 0
        while True:
            first, num_active = num_nodes, len(sums_AC)
            num_nodes += num_active
            own_A = torch.arange(first, num_nodes, device=self._device)
            part = {
                "sums": sums_AC,
                "feature": torch.zeros_like(own_A),
                "threshold": torch.zeros_like(own_A),
                "left": own_A.clone(),
                "right": own_A.clone(),
            }
            parts.append(part)
            if depth == settings.max_depth:
                break
            gain_A, feature_A, threshold_A, left_AC = self._best_splits(node_N, sums_AC)
            splits_A = gain_A > settings.min_gain
            num_splits = int(splits_A.sum())
            if not num_splits:
                break
            depth += 1
            rank_A = splits_A.cumsum(0) - 1
            part["feature"][splits_A] = feature_A[splits_A]
            part["threshold"][splits_A] = threshold_A[splits_A]
            part["left"][splits_A] = num_nodes + 2 * rank_A[splits_A]
            part["right"][splits_A] = num_nodes + 2 * rank_A[splits_A] + 1
            node_N = self._children(node_N, splits_A, rank_A, feature_A, threshold_A, num_splits)
            left_AC, parent_AC = left_AC[splits_A], sums_AC[splits_A]
            sums_AC = torch.stack([left_AC, parent_AC - left_AC], dim=1).flatten(0, 1)
        nodes = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        sums_MC = nodes.pop("sums")
        return TensorTree(
            **nodes,
            value=self._means(sums_MC),
            num_samples=sums_MC[:, -1],
            depth=depth,
            num_levels=settings.num_levels,
            num_features=num_features,
        )

    def _children(
        self,
        node_N: Tensor,
        splits_A: Tensor,
        rank_A: Tensor,
        feature_A: Tensor,
        threshold_A: Tensor,
        num_splits: int,
    ) -> Tensor:
        """Send each row to its node of the next level."""
        num_active = len(splits_A)
        behind = node_N == num_active
        at_N = node_N.clamp(max=num_active - 1)
        rows_N = torch.arange(len(node_N), device=self._device)
        level_N = self._levels_DN[feature_A[at_N], rows_N].to(torch.int64)
        child_N = 2 * rank_A[at_N] + (level_N > threshold_A[at_N])
        stays_N = behind | ~splits_A[at_N]
        return torch.where(stays_N, 2 * num_splits, child_N)

    def _best_splits(
        self, node_N: Tensor, sums_AC: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gain, feature, threshold and left column sums of each node's best split."""
        num_active, num_columns = sums_AC.shape
        num_levels, num_features = self._settings.num_levels, len(self._levels_DN)
        gain_A = torch.full((num_active,), -torch.inf, dtype=torch.float64, device=self._device)
        feature_A = torch.zeros(num_active, dtype=torch.int64, device=self._device)
        threshold_A = torch.zeros_like(feature_A)
        best_left_AC = torch.zeros_like(sums_AC)
        if num_levels == 1:
            return gain_A, feature_A, threshold_A, best_left_AC
        all_A = torch.arange(num_active, device=self._device)
        per_feature = 8 * _TABLES * (num_active + 1) * num_levels * num_columns
        chunk = max(1, self._max_bytes // per_feature)
        for first in range(0, num_features, chunk):
            left_FATC = self._left_sums(node_N, num_active, slice(first, first + chunk))
            gains_FAT = self._gains(left_FATC, sums_AC)
            num_thresholds = gains_FAT.shape[2]
            gains_AS = gains_FAT.transpose(0, 1).flatten(1)
            best_A = gains_AS.amax(dim=1)
            # The lowest feature first, then the lowest threshold.
            order_S = torch.arange(gains_AS.shape[1], device=self._device)
            split_A = torch.where(gains_AS == best_A[:, None], order_S, order_S.numel()).amin(dim=1)
            f_A, t_A = split_A // num_thresholds, split_A % num_thresholds
            better_A = best_A > gain_A
            gain_A = torch.where(better_A, best_A, gain_A)
            feature_A = torch.where(better_A, first + f_A, feature_A)
            threshold_A = torch.where(better_A, t_A, threshold_A)
            best_left_AC = torch.where(better_A[:, None], left_FATC[f_A, all_A, t_A], best_left_AC)
        return gain_A, feature_A, threshold_A, best_left_AC

    def _left_sums(self, node_N: Tensor, num_active: int, features: slice) -> Tensor:
        """(F, A, T, C) Column sums of what goes left of each split, over all workers."""
        levels_FN = self._levels_DN[features].to(torch.int64)
        num_levels, num_columns = self._settings.num_levels, self._columns_NC.shape[1]
        shape = (len(levels_FN), (num_active + 1) * num_levels, num_columns)
        histogram_FSC = torch.zeros(shape, dtype=torch.int64, device=self._device)
        slot_FN = node_N * num_levels + levels_FN
        # Expanded, not copied: a copy would take N rows of columns for each feature.
        histogram_FSC.scatter_add_(
            1,
            slot_FN[:, :, None].expand(-1, -1, num_columns),
            self._columns_NC.expand(len(levels_FN), -1, -1),
        )
        histogram_FALC = histogram_FSC.view(len(levels_FN), num_active + 1, num_levels, num_columns)
        own_FATC = histogram_FALC[:, :num_active, :-1].cumsum(dim=2)
        return self._reduced(own_FATC)

    def _reduced(self, sums: Tensor) -> Tensor:
        if self._group is not None:
            sums = sums.contiguous()
            dist.all_reduce(sums, group=self._group)
        return sums

    def _gains(self, left_FATC: Tensor, sums_AC: Tensor) -> Tensor:
        """(F, A, T) Gain of each split, minus infinity where a side is empty."""
        left_count_FAT = left_FATC[..., -1]
        count_A1 = sums_AC[:, -1:]
        legal_FAT = (left_count_FAT > 0) & (left_count_FAT < count_A1)
        left_FATK = left_FATC[..., :-1].to(torch.float64)
        sums_A1K = sums_AC[:, None, :-1].to(torch.float64)
        constant = rounding_constant(self._settings.criterion, self._num_classes)
        if self._settings.criterion is Criterion.INFORMATION_GAIN:
            gains_FAT = information_gains(left_FATK, sums_A1K, constant)
        else:
            gains_FAT = squared_error_gains(
                left_FATK,
                left_count_FAT.clamp(min=1).to(torch.float64),
                sums_A1K,
                (count_A1 - left_count_FAT).clamp(min=1).to(torch.float64),
                count_A1.to(torch.float64),
                constant,
            )
        gains_FAT = (gains_FAT / GAIN_GRID).round() * GAIN_GRID
        return torch.where(legal_FAT, gains_FAT, -torch.inf)

    def _means(self, sums_MC: Tensor) -> Tensor:
        sums_MK = sums_MC[:, :-1].to(torch.float64)
        if self._settings.criterion is Criterion.INFORMATION_GAIN:
            return sums_MK / sums_MK.sum(dim=1, keepdim=True)
        return 2 * UNIT * sums_MK / sums_MC[:, -1:].to(torch.float64) - 1
