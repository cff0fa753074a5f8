"""The sparse autoencoder: TopK, losses and gradients by hand, known atoms, a frozen network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import SAEOptions
from core.data import Dataset, Split
from core.errors import ConfigError, DataError
from core.methods import ROWS
from core.methods._over_split import over_split
from core.methods.sae import SAE, SAEModel, TopKAutoencoder
from core.methods.sae._autoencoder import auxiliary_error, squared_error, top_k
from core.methods.sae._fit import fit_autoencoder, fit_probe
from core.predict import predict_split
from core.training import EpochEnd, Timer, TrainState
from core.untrained import untrained_model
from tests.core.methods.problems import CONFIGS, config_of, start, striped, train
from tests.core.workers import in_workers


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def autoencoder_of(num_features: int, num_latents: int, num_active: int) -> TopKAutoencoder:
    generator = torch.Generator().manual_seed(0)
    return TopKAutoencoder(
        num_features=num_features,
        num_latents=num_latents,
        num_active=num_active,
        generator=generator,
    ).double()


def fitted(autoencoder: TopKAutoencoder, x: Tensor, **changes: Any) -> torch.optim.Optimizer:
    settings: dict[str, Any] = {
        "num_passes": 100,
        "batch_size": 64,
        "auxiliary_weight": 1 / 32,
        "num_auxiliary": 8,
        "dead_after": 20,
        "seed": (0,),
    } | changes
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=settings.pop("lr", 0.01))
    autoencoder.reset(x.mean(0), generator=torch.Generator().manual_seed(0))
    fit_autoencoder(autoencoder, optimizer, x, **settings)
    return optimizer


def network(state: TrainState) -> SAEModel:
    assert isinstance(state.model, SAEModel)
    return state.model


@pytest.mark.parametrize("num_active", [1, 3, 7])
def test_exactly_the_k_largest_are_kept(num_active: int) -> None:
    activations = draw(50, 7)
    kept = top_k(activations + 10, num_active)
    assert ((kept > 0).sum(1) == num_active).all()
    for row, given in zip(kept, activations + 10, strict=True):
        largest = sorted(given.tolist(), reverse=True)[:num_active]
        assert sorted(row[row > 0].tolist(), reverse=True) == largest
        assert torch.equal(row[row > 0], given[row > 0]), "each at its place"
    signed = top_k(activations, num_active)
    assert torch.equal(signed, torch.where(kept > 0, activations, 0).relu())


def test_codes_and_what_is_rebuilt_are_the_formulas() -> None:
    autoencoder, x = autoencoder_of(5, 9, 2), draw(4, 5)
    with torch.no_grad():
        autoencoder.bias_N.copy_(draw(5, seed=3))
        codes = autoencoder.encode(x).numpy()
        rebuilt = autoencoder.decode(torch.from_numpy(codes)).numpy()
    encoder, decoder, bias = (
        p.detach().numpy()
        for p in (autoencoder.encoder_LN, autoencoder.decoder_LN, autoencoder.bias_N)
    )
    for sample, code, again in zip(x.numpy(), codes, rebuilt, strict=True):
        activations = encoder @ (sample - bias)
        expected = np.zeros(9)
        for latent in np.argsort(activations)[-2:]:
            expected[latent] = max(activations[latent], 0)
        np.testing.assert_allclose(code, expected)
        np.testing.assert_allclose(again, decoder.T @ expected + bias)


def test_gradients_are_those_of_finite_differences() -> None:
    """Of the whole loss, dead latents included. The residual is a constant of the second term."""
    x, is_dead = draw(6, 4), torch.tensor([False, True, False, True, True, False])
    start_at = autoencoder_of(4, 6, 2)
    residual = draw(6, 4, seed=5)

    def loss(encoder: Tensor, decoder: Tensor, bias: Tensor) -> Tensor:
        activations = (x - bias) @ encoder.T
        rebuilt = top_k(activations, 2) @ decoder + bias
        return squared_error(x, rebuilt) + 0.3 * auxiliary_error(
            activations, residual, decoder, is_dead, num_auxiliary=2
        )

    given = [p.detach().clone().requires_grad_() for p in start_at.parameters()]
    assert torch.autograd.gradcheck(loss, given)


def test_dead_latents_rebuild_the_residual() -> None:
    activations, residual, atoms = draw(5, 4), draw(5, 3, seed=1), draw(4, 3, seed=2)
    is_dead = torch.tensor([True, False, True, True])
    found = auxiliary_error(activations, residual, atoms, is_dead, num_auxiliary=2)
    total = 0.0
    for row, left in zip(activations.numpy(), residual.numpy(), strict=True):
        best = sorted((0, 2, 3), key=lambda latent: -row[latent])[:2]
        total += ((left - sum(max(row[i], 0) * atoms[i].numpy() for i in best)) ** 2).sum()
    assert found.item() == pytest.approx(total / 5)
    alive = auxiliary_error(activations, residual, atoms, is_dead & False, num_auxiliary=2)
    assert alive.item() == 0
    whole = auxiliary_error(activations, residual, atoms, is_dead, num_auxiliary=99)
    rebuilt = activations[:, is_dead].relu() @ atoms[is_dead]
    assert whole.item() == pytest.approx(squared_error(residual, rebuilt).item())


def test_no_gradient_goes_into_the_residual() -> None:
    residual = draw(5, 3).requires_grad_()
    atoms = draw(4, 3, seed=2).requires_grad_()
    is_dead = torch.ones(4, dtype=torch.bool)
    auxiliary_error(draw(5, 4), residual, atoms, is_dead, num_auxiliary=2).backward()
    assert residual.grad is None
    assert atoms.grad is not None


def test_atoms_keep_norm_one_and_are_turned_alone() -> None:
    autoencoder, x = autoencoder_of(5, 9, 2), functional.normalize(draw(100, 5))
    fitted(autoencoder, x, num_passes=3)
    norms = autoencoder.decoder_LN.detach().norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    squared_error(x, autoencoder.decode(autoencoder.encode(x))).backward()
    autoencoder.drop_gradient_along_atoms()
    gradient = autoencoder.decoder_LN.grad
    assert gradient is not None
    assert gradient.abs().max() > 1e-3
    along = (gradient * autoencoder.decoder_LN.detach()).sum(1)
    torch.testing.assert_close(along, torch.zeros_like(along))


def sparse_data(num_atoms: int, width: int, count: int) -> tuple[Tensor, Tensor]:
    """Vectors of norm 1, each of two atoms of a dictionary that is known."""
    atoms = functional.normalize(draw(num_atoms, width, seed=7))
    rng = np.random.default_rng(0)
    codes = np.zeros((count, num_atoms))
    for row in codes:
        row[rng.choice(num_atoms, size=2, replace=False)] = rng.uniform(0.5, 1.5, size=2)
    return functional.normalize(torch.from_numpy(codes) @ atoms), atoms


def test_the_atoms_of_a_known_dictionary_are_found() -> None:
    """More atoms than dimensions; each is found again but for its place."""
    x, atoms = sparse_data(24, 16, 2000)
    autoencoder = autoencoder_of(16, 32, 2)
    before = (atoms @ autoencoder.decoder_LN.detach().T).amax(1)
    fitted(autoencoder, x, num_passes=60)
    cosines = (atoms @ autoencoder.decoder_LN.detach().T).amax(1)
    assert before.max() < 0.9
    assert (cosines > 0.9).float().mean() > 0.95, cosines.sort().values
    with torch.no_grad():
        left = squared_error(x, autoencoder.decode(autoencoder.encode(x)))
    assert left < 0.05


def test_the_auxiliary_loss_brings_dead_latents_back() -> None:
    """Latents that look away from all data at the start."""
    x, _ = sparse_data(24, 16, 1000)
    num_dead = {}
    for weight in (0.0, 1 / 32):
        autoencoder = autoencoder_of(16, 24, 2)
        optimizer = torch.optim.Adam(autoencoder.parameters(), lr=0.01)
        with torch.no_grad():
            autoencoder.encoder_LN[12:] *= 0.01
        fit_autoencoder(
            autoencoder,
            optimizer,
            x,
            num_passes=40,
            batch_size=64,
            auxiliary_weight=weight,
            num_auxiliary=12,
            dead_after=20,
            seed=(0,),
        )
        fires = (autoencoder.encode(x) > 0).any(0)
        num_dead[weight] = int((~fires).sum())
    assert num_dead[0.0] > 2 * num_dead[1 / 32], num_dead


def test_a_latent_is_dead_after_so_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[bool]] = []

    def note(activations: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        seen.append(args[2].tolist())
        return activations.new_zeros(())

    monkeypatch.setattr("core.methods.sae._fit.auxiliary_error", note)
    autoencoder, x = autoencoder_of(4, 3, 1), functional.normalize(draw(8, 4).abs())
    with torch.no_grad():
        autoencoder.encoder_LN[2] = -10  # never the largest: x has no negative entry
        autoencoder.encoder_LN[:2] = autoencoder.encoder_LN[:2].abs()
    optimizer = torch.optim.SGD(autoencoder.parameters(), lr=0.0)
    settings = {"auxiliary_weight": 1.0, "num_auxiliary": 1, "dead_after": 3, "seed": (0,)}
    fit_autoencoder(autoencoder, optimizer, x, num_passes=3, batch_size=4, **settings)  # type: ignore[arg-type]
    assert [flags[2] for flags in seen] == [False] * 3 + [True] * 3


def test_the_probe_learns_what_is_linear_in_codes() -> None:
    codes = draw(200, 6).relu().float()
    labels = codes[:, :3].argmax(1)
    probe = torch.nn.Linear(6, 3)
    optimizer = torch.optim.Adam(probe.parameters(), lr=0.05)
    fit_probe(probe, optimizer, codes, labels, num_passes=60, batch_size=50, seed=(0,))
    assert (probe(codes).argmax(1) == labels).float().mean() > 0.9


def test_the_network_is_the_quantized_rows_to_the_last_bit() -> None:
    dataset = striped()
    for update in ("sequential", "joint"):
        config = config_of("sae", update=update)
        ours = network(train(config, dataset)[0]).network.state_dict()
        of_row = config.replace({**ROWS["quantized"], "method": "intersection"})
        theirs = train(of_row, dataset)[0].model.state_dict()
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor), (update, name)


def test_codes_depend_on_the_epochs_network_alone() -> None:
    """Fitted anew: the codes after two epochs are those of a run whose first had none."""
    dataset = striped()
    state, _ = train(config_of("sae"), dataset)
    method, model = state.method, network(state)
    assert isinstance(method, SAE)
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    summary = method.state_dict()["summary"]
    other = start(config_of("sae"), dataset)
    with torch.no_grad():
        network(other).network.load_state_dict(model.network.state_dict())
        network(other).autoencoder.encoder_LN.zero_()
    at = EpochEnd(epoch=1, train=dataset.train, minival=dataset.minival, timer=Timer())
    other.method.end_epoch(at)
    for name, tensor in other.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert other.method.state_dict()["summary"] == summary


def test_levels_are_the_codes_each_in_its_own_range() -> None:
    dataset = striped()
    state, _ = train(config_of("sae"), dataset)
    model = network(state).eval()

    def codes(split: Split) -> Tensor:
        with torch.no_grad():
            features = model.network.features(torch.from_numpy(split.images_NCHW))
            return model.autoencoder.encode(functional.normalize(features))

    highs = codes(dataset.minival).amax(0)
    torch.testing.assert_close(model.quantizer.high, highs)
    assert not model.quantizer.low.any()
    expected = torch.where(highs > 0, codes(dataset.test) / highs.clamp(min=1e-12) * 7, 0.0)
    outputs = predict_split(model, dataset.test)
    assert outputs.levels_ND is not None
    levels = torch.from_numpy(outputs.levels_ND)
    assert (levels == expected.round().clamp(0, 7)).float().mean() > 0.99  # rounding apart
    assert ((levels > 0).sum(1) <= 3).all(), "no more than are active"
    scaled = codes(dataset.test) * 3**0.5
    weight, bias = model.probe.weight.detach(), model.probe.bias.detach()
    np.testing.assert_allclose(
        outputs.probabilities_NK, (scaled @ weight.T + bias).softmax(1).numpy(), atol=1e-5
    )


def test_as_many_latents_as_are_asked_for() -> None:
    dataset = striped()
    options = {"sae.num_latents": 20, "sae.num_active": None}
    state, _ = train(config_of("sae", num_epochs=1, **options), dataset)
    model = network(state)
    assert (model.feature_dim, model.autoencoder.num_active) == (20, 8)
    outputs = predict_split(model, dataset.test)
    assert outputs.levels_ND is not None
    assert outputs.levels_ND.shape[1] == 20
    options_of_1024 = SAEOptions()
    assert options_of_1024.active(1024) == 32
    assert options_of_1024.auxiliary(1024) == 512


def test_features_that_are_all_zero_have_codes_without_nan() -> None:
    autoencoder = autoencoder_of(5, 9, 2)
    x = functional.normalize(torch.zeros(3, 5, dtype=torch.float64))
    fitted(autoencoder, x, num_passes=2)
    assert torch.isfinite(autoencoder.encode(x)).all()
    assert all(torch.isfinite(p).all() for p in autoencoder.parameters())


def test_what_a_run_leaves_says_how_well_codes_rebuild(tmp_path: Path) -> None:
    dataset = striped()
    state, _ = train(config_of("sae"), dataset)
    state.method.write_files(tmp_path)
    written = json.loads((tmp_path / "autoencoder.json").read_text())
    model = network(state).eval()
    with torch.no_grad():
        x = model.unit_features(torch.from_numpy(dataset.train.images_NCHW))
        codes = model.autoencoder.encode(x)
        left = (x - model.autoencoder.decode(codes)).square().sum().item()
    whole = (x - x.mean(0)).square().sum().item()
    assert written["explained"] == pytest.approx(1 - left / whole, rel=1e-4)
    assert written["active"] == pytest.approx((codes > 0).sum(1).float().mean().item())
    assert written["dead"] == pytest.approx(1 - (codes > 0).any(0).float().mean().item())
    ranges = json.loads((tmp_path / "calibration.json").read_text())
    assert ranges["high"] == model.quantizer.high.tolist()


def test_before_training_codes_are_those_of_first_weights() -> None:
    dataset = striped()
    model = untrained_model(config_of("sae"), dataset)
    outputs = predict_split(model, dataset.test)
    assert outputs.levels_ND is not None
    assert len(np.unique(outputs.levels_ND)) > 2
    np.testing.assert_allclose(outputs.probabilities_NK, 1 / 4)


def test_an_empty_split_cannot_be_calibrated_on() -> None:
    dataset = striped()
    model = network(start(config_of("sae"), dataset))
    with pytest.raises(DataError, match="the split is empty"):
        model.calibrate(
            Split(
                images_NCHW=dataset.test.images_NCHW[:0],
                labels_N=dataset.test.labels_N[:0],
                attributes_NA=dataset.test.attributes_NA[:0],
            ),
            batch_size=16,
        )


def _over_split(rank: int, world_size: int, folder: str) -> None:
    dataset: Dataset = striped()
    found = over_split(
        lambda images: images.float().flatten(1)[:, :3],
        dataset.train,
        width=3,
        batch_size=7,
        device=torch.device("cpu"),
    )
    torch.save(found, f"{folder}/{world_size}-{rank}.pt")


def test_workers_share_a_split_and_get_all_of_it(tmp_path: Path) -> None:
    in_workers(_over_split, 2, str(tmp_path))
    images = torch.from_numpy(striped().train.images_NCHW)
    for rank in range(2):
        found = torch.load(tmp_path / f"2-{rank}.pt", weights_only=True)
        assert torch.equal(found, images.float().flatten(1)[:, :3])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_latents": 0}, "`sae.num_latents` must be at least 1, or be None, but got 0"),
        ({"num_active": 0}, "`sae.num_active` must be at least 1, or be None"),
        ({"num_auxiliary": 0}, "`sae.num_auxiliary` must be at least 1, or be None"),
        ({"dead_after": 0}, "`sae.dead_after` must be at least 1"),
        ({"num_passes": 0}, "`sae.num_passes` must be at least 1"),
        ({"batch_size": 0}, "`sae.batch_size` must be at least 1"),
        ({"learning_rate": 0}, "`sae.learning_rate` must be above 0"),
        ({"probe_learning_rate": 0}, "`sae.probe_learning_rate` must be above 0"),
        ({"auxiliary_weight": -1}, "`sae.auxiliary_weight` must be at least 0"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict({f"sae.{name}": value for name, value in values.items()})


def test_more_active_latents_than_there_are_are_refused() -> None:
    assert CONFIGS["sae"]["sae.num_active"] == 3
    with pytest.raises(ConfigError, match="at most the number of latents, which is 2, but got 3"):
        start(config_of("sae", **{"sae.num_latents": 2}), striped())
