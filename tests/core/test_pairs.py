"""S' and T over it in one process: the tree of `fit_tree` on the same rows."""

import numpy as np
import torch

from core.pairs import Pairs
from core.tree import fit_tree
from tests.core.small import small_config


def test_the_tree_after_every_step_is_that_of_all_rows_so_far() -> None:
    config = small_config(feature_dim=6, num_bits=2)
    pairs = Pairs(config, num_classes=3)
    generator = torch.Generator().manual_seed(0)
    all_levels, all_probabilities = [], []
    for _ in range(3):
        levels = torch.randint(0, 4, (20, 6), generator=generator).float().requires_grad_()
        probabilities = torch.rand(20, 3, generator=generator).softmax(1).requires_grad_()
        pairs.add(levels, probabilities)
        all_levels.append(levels.detach().numpy().astype(np.uint8))
        all_probabilities.append(probabilities.detach().numpy())
        expected = fit_tree(
            np.concatenate(all_levels),
            np.concatenate(all_probabilities),
            num_levels=4,
            max_depth=config.max_depth,
            grower="plain",
        )
        assert pairs.tree() == expected
        predicted = pairs.tree_probabilities(levels)
        assert predicted.dtype == torch.float64
        assert not predicted.requires_grad
        assert np.array_equal(predicted.numpy(), expected.predict(all_levels[-1]))
    pairs.clear()
    pairs.add(levels, probabilities)
    assert int(pairs.tree().num_samples[0]) == 20


def test_probabilities_of_low_precision_are_widened_not_rounded() -> None:
    pairs = Pairs(small_config(feature_dim=1, num_bits=1), num_classes=2)
    pairs.add(torch.zeros(1, 1), torch.tensor([[0.75, 0.25]], dtype=torch.bfloat16))
    assert pairs.tree().value.tolist() == [[0.75, 0.25]]


def test_a_batch_without_rows_changes_nothing() -> None:
    pairs = Pairs(small_config(feature_dim=2, num_bits=1), num_classes=2)
    pairs.add(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.eye(2))
    before = pairs.tree()
    pairs.add(torch.zeros(0, 2), torch.zeros(0, 2))
    assert pairs.tree() == before
