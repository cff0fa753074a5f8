"""Region Grouping: parts by other means, their prior by scipy, and one batch written out."""

import numpy as np
import pytest
import torch
from scipy.stats import beta as beta_distribution
from scipy.stats import wasserstein_distance
from torch.nn import functional

from core.config import TrainConfig
from core.errors import ConfigError
from core.methods import check_method
from core.methods.region_grouping import RegionGroupingModel
from core.methods.region_grouping._blocks import PartBlock, part_attention
from core.methods.region_grouping._grouping import Grouping
from core.methods.region_grouping._occurrence import beta_quantiles, occurrence, prior_loss
from core.predict import predict_split
from core.training import TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train


def network(state: TrainState) -> RegionGroupingModel:
    assert isinstance(state.model, RegionGroupingModel)
    return state.model


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def grouping_of(channels: int, num_parts: int) -> Grouping:
    torch.manual_seed(0)
    grouping = Grouping(channels, num_parts)
    grouping.smoothing_P.data.copy_(random(num_parts, seed=3) - 0.5)
    return grouping


def test_cells_are_assigned_by_a_softmax_of_distances() -> None:
    grouping, x = grouping_of(6, 4), random(2, 6, 3, 5)
    assigned = grouping.assign(x)
    torch.testing.assert_close(assigned.sum(1), torch.ones(2, 3, 5))
    cells = x.flatten(2).transpose(1, 2)
    distances = torch.cdist(cells, grouping.centers_PC.expand(2, -1, -1)).square()
    beta = 1 / (1 + torch.exp(-grouping.smoothing_P))
    expected = (-distances / beta).softmax(2).transpose(1, 2).reshape(2, 4, 3, 5)
    torch.testing.assert_close(assigned, expected, rtol=1e-4, atol=1e-5)


def test_centres_begin_above_0() -> None:
    assert grouping_of(64, 5).centers_PC.min() >= 1e-5
    assert grouping_of(64, 5).centers_PC.max() > 0.1


def test_parts_are_coded_residuals_of_length_1() -> None:
    grouping, x = grouping_of(6, 4), random(2, 6, 3, 5)
    assigned = grouping.assign(x)
    found = grouping(x, assigned)[..., 0]
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, 4))
    beta = 1 / (1 + torch.exp(-grouping.smoothing_P))
    for image in range(2):
        for part in range(4):
            share = assigned[image, part]
            mean = (share * x[image]).sum((1, 2)) / share.sum()
            coded = (mean - grouping.centers_PC[part]) / (beta[part] / 2).sqrt()
            torch.testing.assert_close(
                found[image, :, part], coded / coded.norm(), rtol=1e-3, atol=1e-4
            )


def test_a_part_that_no_cell_takes_leaves_all_finite() -> None:
    grouping = grouping_of(3, 2)
    grouping.centers_PC.data = torch.tensor([[0.0, 0.0, 0.0], [500.0, 500.0, 500.0]])
    x = random(4, 3, 5, 5).requires_grad_()
    assigned = grouping.assign(x)
    assert not assigned[:, 1].any()
    loss = prior_loss(occurrence(assigned), global_size=4, alpha=1.0, beta=0.001)
    (grouping(x, assigned).square().sum() + loss).backward()
    assert loss.isfinite()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in grouping.parameters())


@pytest.mark.parametrize(("side", "radius"), [(28, 2), (14, 2), (13, 1), (4, 1), (3, 0), (2, 0)])
def test_the_blur_is_gaussian_without_padding(side: int, radius: int) -> None:
    assigned = random(2, 3, side, side)
    found = occurrence(assigned).numpy()
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 0.4**2))
    kernel /= kernel.sum()
    if radius == 2:
        assert kernel[2, 2] == pytest.approx(0.845, abs=1e-3)
    windows = np.lib.stride_tricks.sliding_window_view(
        assigned.numpy(), (2 * radius + 1, 2 * radius + 1), axis=(2, 3)
    )
    expected = (windows * kernel).sum((4, 5)).max((2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_side_that_is_short_is_what_counts() -> None:
    assert occurrence(random(1, 2, 2, 30)).shape == (1, 2)
    assert occurrence(random(1, 2, 4, 30)).shape == (1, 2)


@pytest.mark.parametrize("size", [1, 2, 7, 16])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.001), (0.5, 0.5), (2.0, 3.0)])
def test_the_prior_loss_is_scipys_distance_of_logarithms(
    size: int, alpha: float, beta: float
) -> None:
    occurred = random(size, 5).double()
    found = prior_loss(occurred, global_size=size, alpha=alpha, beta=beta).item()
    levels = (2 * np.arange(1, size + 1) - 1) / (2 * size)
    prior = np.log(beta_distribution.ppf(levels, alpha, beta) + 1e-5)
    expected = np.mean(
        [wasserstein_distance(np.log(part + 1e-5), prior) for part in occurred.numpy().T]
    )
    assert found == pytest.approx(expected, rel=1e-9)
    shuffled = occurred[torch.randperm(size, generator=torch.Generator().manual_seed(1))]
    again = prior_loss(shuffled, global_size=size, alpha=alpha, beta=beta).item()
    assert again == pytest.approx(found, rel=1e-12)


def test_the_prior_losss_gradient_by_finite_differences() -> None:
    occurred = random(6, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: prior_loss(x, global_size=6, alpha=0.7, beta=0.4), occurred
    )


def test_the_prior_of_the_published_configs_is_the_closed_form_and_a_point() -> None:
    quantiles = np.array(beta_quantiles(16, 1.0, 0.001))
    levels = (2 * np.arange(1, 17) - 1) / 32
    np.testing.assert_allclose(quantiles, 1 - (1 - levels) ** 1000, atol=1e-12)
    assert quantiles.min() > 1 - 1e-12
    np.testing.assert_allclose(quantiles, beta_distribution.ppf(levels, 1, 0.001))
    uniform = torch.full((16, 5), 0.2)
    assert prior_loss(uniform, global_size=16, alpha=1.0, beta=0.001).item() == pytest.approx(
        1.609398, abs=1e-5
    )
    low, high = np.split(np.array(beta_quantiles(16, 0.001, 0.001)), 2)
    assert low.max() < 1e-6 < 1 - 1e-6 < high.min()


def test_one_part_that_covers_all_costs_more_than_sharp_parts() -> None:
    alone = torch.zeros(8, 5, 16, 16)
    alone[:, 2] = 1
    sharp = torch.zeros(8, 5, 16, 16)
    for part in range(5):
        sharp[:, part, :, 3 * part : 3 * part + 3] = 1
    sharp[:, 4, :, 15:] = 1

    def loss(assigned: torch.Tensor) -> float:
        return prior_loss(occurrence(assigned), global_size=8, alpha=1.0, beta=0.001).item()

    # Four of five parts never occur: 4/5 log 1e5.
    assert loss(alone) == pytest.approx(0.8 * np.log(1e5), rel=1e-3)
    assert loss(sharp) < 0.2


def test_blocks_begin_as_their_shortcut() -> None:
    torch.manual_seed(0)
    block, x = PartBlock(6, 6, width=8, norm="batch"), random(3, 6, 5, 1)
    assert torch.equal(block(x), x)
    wider = PartBlock(6, 9, width=8, norm="group")
    torch.testing.assert_close(wider(x), wider.shortcut(x).relu())


def test_each_part_is_seen_by_itself() -> None:
    torch.manual_seed(0)
    attention, x = part_attention(6, norm="batch").eval(), random(3, 6, 5, 1)
    order = [4, 2, 0, 1, 3]
    torch.testing.assert_close(attention(x[:, :, order]), attention(x)[:, :, order])


@pytest.mark.parametrize("weight", [0.5, 0.0])
def test_one_batch_is_one_step_of_plain_sgd(weight: float) -> None:
    dataset = striped(num_train=16, shape=(1, 8, 16))
    changes: dict[str, object] = {
        "num_epochs": 1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "trunk_learning_rate_scale": 0.1,
        "region_grouping.prior_weight": weight,
        "region_grouping.num_parts": 3,
    }
    config = config_of("region_grouping", **changes)
    trained = start(config, dataset)
    (result,) = fit(trained, dataset)

    model = network(start(config, dataset))
    order = np.random.default_rng([config.seed, 0]).permutation(16)
    labels = torch.from_numpy(dataset.train.labels_N[order])
    x = (torch.from_numpy(dataset.train.images_NCHW[order]).float() / 255 - 0.5) / 0.5
    p, _ = model.trunk.maps(x)
    assigned = model.grouping.assign(p)
    parts = model.grouping(p, assigned)
    attention = model.attention(parts).softmax(2)
    blocks = model.blocks(parts)
    mean = sum(attention[:, :, i, 0] * blocks[:, :, i, 0] for i in range(3))
    losses = {"label": functional.cross_entropy(model.classifier(model.norm(mean)), labels)}
    loss = losses["label"]
    if weight:
        # The prior is a point at 1.
        losses["prior"] = -((occurrence(assigned) + 1e-5).log() - np.log(1 + 1e-5)).mean()
        loss = loss + weight * losses["prior"]
    loss.backward()
    assert result.losses == pytest.approx({k: v.item() for k, v in losses.items()}, rel=1e-4)
    after = trained.model.state_dict()
    for name, parameter in model.named_parameters():
        rate = 0.005 if name.startswith("trunk") else 0.05
        step = 0 if parameter.grad is None else rate * parameter.grad
        expected = parameter.detach() - step
        torch.testing.assert_close(after[name], expected, rtol=1e-3, atol=1e-5, msg=name)


def test_with_even_attention_the_features_are_the_mean_of_the_parts() -> None:
    dataset = striped()
    model = network(train(config_of("region_grouping"), dataset)[0]).eval()
    score, norm = model.attention[2], model.attention[3]
    for layer in (score, norm):
        for parameter in layer.parameters():
            parameter.data.zero_()
    x = model.normalized(torch.from_numpy(dataset.test.images_NCHW))
    with torch.no_grad():
        p = model.first_map(x)
        blocks = model.blocks(model.grouping(p, model.grouping.assign(p)))
        expected = model.norm(blocks[..., 0].mean(2))
        torch.testing.assert_close(model.group(x).features_BN, expected)


@pytest.mark.parametrize("inference", ["as_trained", "mirror", "image"])
@pytest.mark.parametrize("augmentation", ["none", "crop_flip"])
def test_the_mirror_image_counts_where_it_should(inference: str, augmentation: str) -> None:
    dataset = striped()
    sizes = {"resize_size": 8, "crop_size": 8} if augmentation == "crop_flip" else {}
    config = config_of(
        "region_grouping",
        augmentation=augmentation,
        **sizes,
        **{"region_grouping.inference": inference},
    )
    model = network(start(config, dataset)).eval()
    model.calibrate(dataset.minival, batch_size=16)
    x = model.normalized(torch.from_numpy(dataset.test.images_NCHW))
    with torch.no_grad():
        logits = model.classifier(model.group(x).features_BN)
        if inference == "mirror" or (inference, augmentation) == ("as_trained", "crop_flip"):
            logits = logits + model.classifier(model.group(x.flip(3)).features_BN)
        features = model.answer(torch.from_numpy(dataset.test.images_NCHW)).features_BN
        assert torch.equal(features, model.group(x).features_BN)
    found = predict_split(model, dataset.test).probabilities_NK
    np.testing.assert_allclose(found, logits.softmax(1).numpy(), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (1, 56, 56)])
def test_maps_of_any_size_are_grouped(shape: tuple[int, int, int]) -> None:
    dataset = striped(shape=shape, num_train=16)
    _, (result,) = train(config_of("region_grouping", num_epochs=1), dataset)
    assert np.isfinite(list(result.losses.values())).all()


@pytest.mark.parametrize("trunk", ["test_resnet", "pmg:test_resnet", "test_efficientnet"])
def test_trunks_of_timm_are_trained_up_to_their_last_map_but_one(trunk: str) -> None:
    config = config_of(
        "region_grouping",
        trunk=trunk,
        trunk_norm="batch",
        num_epochs=1,
        frozen_stages=1,
        accumulation_steps=2,
        precision="bf16",
    )
    dataset = striped(shape=(3, 32, 32), num_train=16)
    state, (result,) = train(config, dataset)
    assert np.isfinite(list(result.losses.values())).all()
    listed = state.method.optimizers["all"].param_groups[0]["params"]
    assert len(listed) < len(state.model.get_submodule("trunk").map_parameters())


def test_how_many_blocks_there_are() -> None:
    for trunk, blocks, expected in (("conv", None, 2), ("conv", 3, 3), ("resnet18", None, 4)):
        config = config_of(
            "region_grouping",
            trunk=trunk,
            trunk_norm="batch",
            **{"region_grouping.num_blocks": blocks},
        )
        assert len(network(start(config, striped(shape=(3, 8, 8)))).blocks) == expected


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="'region_grouping', but 'mlp' has none"):
        check_method(config_of("region_grouping", trunk="mlp"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_parts", 0, "must be at least 1, but got 0"),
        ("prior_weight", -1, "must be at least 0"),
        ("prior_alpha", 0, "must be above 0"),
        ("prior_beta", -2, "must be above 0"),
        ("num_blocks", 0, "must be at least 1, or None to follow the map's channels, but got 0"),
        ("inference", "both", "must be one of 'as_trained', 'mirror', 'image'"),
    ],
)
def test_options_that_cannot_be_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=f"`region_grouping.{name}` {message}"):
        TrainConfig.from_dict({f"region_grouping.{name}": value})
