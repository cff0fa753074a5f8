"""What methods that read a trunk's last map keep on every kind of trunk."""

import numpy as np
import pytest
import torch

from core.methods._maps import MapNetwork
from core.predict import predict_split
from core.training import fit
from tests.core.methods.problems import config_of, start, striped

METHODS_ON_MAPS = ("diversity", "pipnet", "protopnet")
TRUNKS = ("test_resnet", "pmg:test_resnet", "test_convnext", "test_vit")
every_method = pytest.mark.parametrize("method", METHODS_ON_MAPS)


@every_method
@pytest.mark.parametrize("trunk", TRUNKS)
def test_they_train_on_every_trunk_with_maps(method: str, trunk: str) -> None:
    """What the last map depends on is trained, and nothing else of the trunk."""
    side = 160 if trunk == "test_vit" else 64
    dataset = striped(2, (3, side, side), num_train=8)
    config = config_of(method, trunk=trunk, trunk_norm="batch", batch_size=4)
    state = start(config, dataset)
    before = {name: p.detach().clone() for name, p in state.model.named_parameters()}
    assert isinstance(state.model, MapNetwork)
    of_map = {id(parameter) for parameter in state.model.trunk.map_parameters()}
    groups = [g for o in state.method.optimizers.values() for g in o.param_groups]
    assert of_map <= {id(parameter) for group in groups for parameter in group["params"]}
    assert all(np.isfinite(result.losses["label"]) for result in fit(state, dataset))
    for name, parameter in state.model.named_parameters():
        if name.startswith("trunk") and id(parameter) not in of_map:
            assert torch.equal(parameter, before[name]), name
    moved = [p for n, p in state.model.named_parameters() if not torch.equal(p, before[n])]
    assert of_map & {id(p) for p in moved}
    outputs = predict_split(state.model, dataset.test)
    assert outputs.levels_ND is not None
    assert outputs.probabilities_NK.sum(1) == pytest.approx(1, abs=1e-5)


@every_method
def test_frozen_stages_stay(method: str) -> None:
    dataset = striped()
    config = config_of(method, num_epochs=3, trunk_norm="batch", frozen_stages=1)
    state = start(config, dataset)
    before = {name: x.clone() for name, x in state.model.state_dict().items()}
    list(fit(state, dataset))
    after = state.model.state_dict()
    same = {n for n in before if n.startswith("trunk") and torch.equal(before[n], after[n])}
    assert same == {name for name in before if name.startswith(("trunk.0.", "trunk.1."))}


@every_method
def test_bf16_and_channels_last_give_float32_maps_near_the_same(method: str) -> None:
    dataset = striped()
    images = torch.from_numpy(dataset.test.images_NCHW)
    maps = []
    for changes in ({}, {"precision": "bf16"}, {"channels_last": True}):
        model = start(config_of(method, **changes), dataset).model.eval()
        assert isinstance(model, MapNetwork)
        with torch.no_grad():
            maps.append(model.last_map(images))
        assert maps[-1].dtype == torch.float32
    torch.testing.assert_close(maps[2], maps[0])
    torch.testing.assert_close(maps[1], maps[0], rtol=0.1, atol=0.1)
    assert not torch.equal(maps[1], maps[0])


@every_method
def test_micro_batches_of_the_trunk_give_the_same_steps(method: str) -> None:
    dataset = striped()
    whole, parts = (
        start(config_of(method, num_epochs=1, trunk_norm="group", accumulation_steps=n), dataset)
        for n in (1, 2)
    )
    (first,), (second,) = list(fit(whole, dataset)), list(fit(parts, dataset))
    assert second.losses == pytest.approx(first.losses, rel=1e-3)
