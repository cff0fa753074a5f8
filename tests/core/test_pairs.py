"""S' on one CPU process and S' as tensors give the same T, and Alg. 1 the same weights."""

import torch

from core.algorithm import fit
from core.pairs import LocalPairs, Pairs, TensorPairs
from core.state import TrainState
from tests.core.small import small_config, small_dataset


def test_both_kinds_grow_the_same_trees() -> None:
    config = small_config(feature_dim=6, num_bits=2)
    both = (
        LocalPairs(config, num_classes=3),
        TensorPairs(config, num_classes=3, device=torch.device("cpu")),
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        levels = torch.randint(0, 4, (20, 6), generator=generator).float()
        probabilities = torch.rand(20, 3, generator=generator).softmax(1)
        for kind in both:
            kind.add(levels, probabilities)
        local, tensors = (kind.tree_probabilities(levels) for kind in both)
        assert torch.equal(local, tensors)
        assert both[0].tree() == both[1].tree()
    for kind in both:
        kind.clear()
        kind.add(levels, probabilities)
    assert both[0].tree() == both[1].tree()
    assert int(both[0].tree().num_samples[0]) == 20


def test_training_with_either_kind_gives_the_same_weights() -> None:
    config = small_config(num_epochs=2)
    device = torch.device("cpu")

    def trained(kind: Pairs) -> TrainState:
        state = TrainState.create(config, in_channels=1, num_classes=4)
        for _ in fit(state, small_dataset(), pairs=kind):
            pass
        return state

    local = trained(LocalPairs(config, num_classes=4))
    other = trained(TensorPairs(config, num_classes=4, device=device))
    assert local.tree == other.tree
    for name, tensor in local.model.state_dict().items():
        assert torch.equal(other.model.state_dict()[name], tensor), name
