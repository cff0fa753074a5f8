"""One frozen dataclass that fully determines a training run, and the hash that names it."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.config import _identity
from core.config._checks import check_types_and_choices, require
from core.config._image_options import Augmentation, ImageOptions
from core.config._options import (
    OPTION_NAMES,
    checked_options,
    of_method,
    option_default,
    plain,
)
from core.config.options import OPTIONS, MethodOptions
from core.errors import ConfigError, did_you_mean

RangeMode = Literal["batch", "sample"]
SparsityNorm = Literal["l1", "l2"]
SparsityDivisor = Literal["batch", "dataset"]
TreeCriterion = Literal["information_gain", "squared_error"]
UpdateOrder = Literal["sequential", "joint"]
Precision = Literal["fp32", "bf16"]
TrunkNorm = Literal["batch", "group"]
Activation = Literal["none", "relu"]
Schedule = Literal["cosine", "constant"]
Partition = Literal["epoch", "once"]

WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt")

MAX_BITS = 8  # levels are kept as uint8 once no gradient is needed


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that a run's result depends on. The defaults are the paper's (section 6).

    The fields are flat on purpose: a search-space key, a command-line override, an MLflow param
    and a field are the same word. What one method alone reads is an option of that method, written
    with the method's name before it, such as ``jigsaw.whole_weight`` (`core.config.options`).
    `core.config.PRESETS` holds the values that suit a bundled dataset.

    Raises
    ------
    ConfigError
        If a value is outside its legal range, when the config is made.

    Examples
    --------
    >>> TrainConfig(mask_probability=0.3).num_levels
    16
    """

    method: str = "intersection"
    """What is trained, a name in `core.methods.METHODS`: "intersection" is Alg. 1."""

    options: tuple[tuple[str, Any], ...] = ()
    """Options of methods that differ from their defaults, as sorted pairs of dotted name and value.
    `replace` takes them by name, as it takes fields."""

    dataset: str = "digits"
    """Name in `core.data.DATASETS`, or that of a packed data set of one's own."""

    split_seed: int = 0
    """Seed that cuts minival from train."""

    seed: int = 0
    """Seed of the weights, the order and augmentation of the samples and the sparsity masks."""

    image_size: int | None = None
    """Pixels of each side that a rendered dataset's images are drawn at, such as `field_guide`'s;
    None for the dataset's own size. A dataset that is not drawn refuses it."""

    resize_size: int | None = None
    """Pixels of an image's shorter side before the crop; None for bundled datasets, whose images
    are not decoded."""

    crop_size: int | None = None
    """Pixels of each side of what the network sees of a resized image; None as above."""

    augmentation: Augmentation = "none"
    """In training: the centre crop, or a random crop that is mirrored half the time, as in PMG."""

    trunk: str = "conv"
    """F's trunk: "conv" for the small conv net, the name of a timm model, or "pmg:" and such a name
    for PMG's extractor on it; "pmg" alone is "pmg:resnet50"."""

    trunk_norm: TrunkNorm = "batch"
    """Normalisation in the layers of our own, those before the quantizer included: BatchNorm, or
    GroupNorm and LayerNorm, which keep no statistics of the batch. A timm model has its own norms:
    with "group", one that has BatchNorm is refused."""

    trunk_width: int = 32
    """Channels of the first stage of the small conv net; each later stage doubles them."""

    weights: str | None = None
    """The trunk's first weights: None for random ones, "hub" for timm's hub, "lite0" for those of
    the extra `[pretrained]`, or the path of a .safetensors, .pth or .pt file."""

    weights_sha256: str | None = None
    """SHA-256 of the weights' file in hex, checked when it is loaded. Sweeps fill it in, so that a
    run's identity holds what was loaded and not only its path."""

    frozen_stages: int = 0
    """How many of the trunk's first stages are not trained: no gradient, and BatchNorm in
    evaluation mode. A timm model's stages are timm's coarse groups: the stem, then each stage."""

    feature_dim: int = 1024
    """n, the number of features that F returns."""

    feature_activation: Activation = "relu"
    """What follows F's projection. PMG's feature vectors are never negative, so: "relu"."""

    num_bits: int = 4
    """r, bits a feature: 2^r levels."""

    quantizer_range: RangeMode = "batch"
    """Over what Alg. 2 takes its min and max: the batch tensor, or each sample."""

    hidden_dim: int = 512
    """Width of the hidden layer of G."""

    label_weight: float = 2.0
    """lambda_1, weight of the cross-entropy with the labels (Eq. 6)."""

    tree_weight: float = 1.0
    """lambda_2, weight of the cross-entropy with the tree's probabilities (Eq. 6)."""

    sparsity_weight: float = 0.001
    """lambda_3, weight of the masked norm of the levels (Eq. 7)."""

    mask_probability: float = 0.5
    """p, the Bernoulli parameter of Eq. 7's mask: the share of features that are penalised."""

    sparsity_norm: SparsityNorm = "l1"
    """Norm of Eq. 7: "l1", or "l2" for the squared Euclidean norm."""

    sparsity_divisor: SparsityDivisor = "batch"
    """What Eq. 7 divides by: the batch size, or (literally) the size of the training set."""

    max_depth: int = 8
    """d_max, the largest number of tests from the tree's root to a leaf."""

    tree_criterion: TreeCriterion = "information_gain"
    """What a split of the tree is chosen by."""

    num_epochs: int = 200
    """I, the largest number of passes over the training set."""

    batch_size: int = 16
    """s, samples a step, over all workers together."""

    partition: Partition = "epoch"
    """When S is cut into batches (line 2 of Alg. 1): anew in each epoch, as is usual, or once
    before the first, which is how the line reads."""

    learning_rate: float = 0.002
    """SGD step size of the new layers: G and F's projection."""

    trunk_learning_rate_scale: float = 0.1
    """The trunk's step size as a multiple of `learning_rate`."""

    momentum: float = 0.9
    """SGD momentum."""

    weight_decay: float = 5e-4
    """SGD weight decay."""

    schedule: Schedule = "cosine"
    """Step size over the epochs: down a half cosine to 0, or constant."""

    update: UpdateOrder = "sequential"
    """Lines 12 and 13 of Alg. 1: G first and then F with the new G, or both from one backward."""

    drops_to_stop: int | None = 2
    """Early stopping: end at this many drops of minival accuracy; None trains every epoch."""

    precision: Precision = "fp32"
    """"bf16" runs F's forward under autocast. The quantizer always computes in float32."""

    accumulation_steps: int = 1
    """Micro-batches that the trunk takes each worker's batch in. All else (projection, quantizer
    range, S', losses, one update of G and of F a batch) sees the whole batch. Above 1 the trunk
    keeps no activations: it runs once more on one micro-batch after another in the backward pass,
    and gradients add up. The result is that of 1, but for BatchNorm in the trunk: it normalises
    each micro-batch by itself and updates its running statistics once for each."""

    channels_last: bool = False
    """Whether the trunk's images and weights lie in memory with the channels last, which is faster
    for bf16 convolutions on CUDA. Changes results in the last bits alone."""

    compile: bool = False
    """Whether torch.compile compiles the trunk when it first runs, which takes a C++ compiler.
    Changes results in the last bits alone."""

    def __post_init__(self) -> None:
        check_types_and_choices(self, skip=("options",))
        if self.method not in OPTIONS:
            raise ConfigError(
                f"`method` must be one of {', '.join(map(repr, OPTIONS))}, but got "
                f"{self.method!r}.{did_you_mean(self.method, tuple(OPTIONS))}"
            )
        object.__setattr__(self, "options", checked_options(dict(self.options)))
        for name in _POSITIVE_INTEGERS:
            require(getattr(self, name) >= 1, f"`{name}` must be at least 1", getattr(self, name))
        for name in _NON_NEGATIVE:
            value = getattr(self, name)
            require(value >= 0, f"`{name}` must be at least 0", value)
        require(
            1 <= self.num_bits <= MAX_BITS,
            f"`num_bits` must lie in [1, {MAX_BITS}]",
            self.num_bits,
        )
        require(
            0 <= self.mask_probability <= 1,
            "`mask_probability` must lie in [0, 1]",
            self.mask_probability,
        )
        require(self.learning_rate > 0, "`learning_rate` must be above 0", self.learning_rate)
        require(0 <= self.momentum < 1, "`momentum` must lie in [0, 1)", self.momentum)
        require(
            self.drops_to_stop is None or self.drops_to_stop >= 1,
            "`drops_to_stop` must be at least 1, or None to train every epoch",
            self.drops_to_stop,
        )
        require(self.label_weight > 0, "`label_weight` must be above 0", self.label_weight)
        _ = self.image_options  # refuses what does not fit together
        require(
            self.accumulation_steps <= self.batch_size,
            f"`accumulation_steps` must be at most `batch_size`, which is {self.batch_size}",
            self.accumulation_steps,
        )
        _check_weights(self)

    @property
    def num_levels(self) -> int:
        """2^r, how many values a quantized feature can take."""
        return 1 << self.num_bits

    @property
    def image_options(self) -> ImageOptions:
        """What `core.data.load_dataset` is told of the images."""
        return ImageOptions(
            image_size=self.image_size,
            resize_size=self.resize_size,
            crop_size=self.crop_size,
            augmentation=self.augmentation,
        )

    @property
    def method_options(self) -> MethodOptions:
        """The options of the method that is trained."""
        return OPTIONS[self.method](**of_method(self.method, dict(self.options)))

    def to_dict(self) -> dict[str, Any]:
        """All fields, in order, and the options that were changed, as values that JSON can hold."""
        fields = {name: getattr(self, name) for name in field_names(type(self))}
        return {**fields, **{name: plain(value) for name, value in self.options}}

    def params(self) -> dict[str, Any]:
        """The fields and options that a number of the run may depend on.

        Equal for configs of one hash. Of options, all those of the method that is trained.
        """
        return _identity.params(self)

    def identity(self) -> dict[str, Any]:
        """What sets this run apart from that of the defaults, as plain values; see `hash`."""
        return _identity.identity(self)

    @property
    def hash(self) -> str:
        """Twelve hex digits of SHA-256 over `identity()`: the name of a trial.

        Two configs have one hash if they are the same run: a field that has its default is left
        out, and so is one that cannot matter, such as the norm of a sparsity loss of weight 0. A
        field that is added to the class therefore changes no hash.
        """
        return _identity.digest(self.identity())

    @property
    def has_sparsity_loss(self) -> bool:
        """Whether Eq. 7 is more than 0 for some levels: its weight is, and its mask can be."""
        return self.sparsity_weight > 0 and self.mask_probability > 0

    def replace(self, overrides: Mapping[str, Any]) -> "TrainConfig":
        """Return a copy with some fields and options changed; an unknown key is refused.

        Raises
        ------
        ConfigError
            If a key is neither field nor option, or a value is not legal.

        Examples
        --------
        >>> TrainConfig(method="jigsaw").replace({"jigsaw.whole_weight": 1}).identity()
        {'schema': 1, 'method': 'jigsaw', 'jigsaw.whole_weight': 1.0}
        """
        names = field_names(type(self))
        for key in overrides:
            if key not in names and key not in OPTION_NAMES:
                hint = did_you_mean(key, (*names, *OPTION_NAMES))
                raise ConfigError(f"{key!r} is no field of TrainConfig.{hint}")
        fields = {key: value for key, value in overrides.items() if key in names}
        options = {key: value for key, value in overrides.items() if key not in names}
        if options:
            fields["options"] = tuple({**dict(self.options), **options}.items())
        return dataclasses.replace(self, **fields)

    def changes_from(self, base: "TrainConfig") -> dict[str, Any]:
        """The overrides with which `base.replace` gives this config.

        Examples
        --------
        >>> TrainConfig(seed=3).changes_from(TrainConfig(num_bits=2))
        {'seed': 3, 'num_bits': 4}
        """
        ours, theirs = self.to_dict(), base.to_dict()
        # An option that stands in the base alone goes back to its default.
        ours |= {name: option_default(name) for name in theirs if name not in ours}
        return {k: v for k, v in ours.items() if k not in theirs or v != theirs[k]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Make a config from `to_dict()`'s form; missing fields take their defaults."""
        return cls().replace(values)


def field_names(config: type[TrainConfig]) -> tuple[str, ...]:
    """Fields as they are written; options have names of their own."""
    return tuple(f.name for f in dataclasses.fields(config) if f.name != "options")


FIELD_NAMES: tuple[str, ...] = field_names(TrainConfig)
"""All fields but `options`, whose content is written by dotted name (`OPTION_NAMES`)."""

_POSITIVE_INTEGERS = (
    "trunk_width",
    "feature_dim",
    "hidden_dim",
    "max_depth",
    "num_epochs",
    "batch_size",
    "accumulation_steps",
)
_NON_NEGATIVE = (
    "split_seed",
    "seed",
    "frozen_stages",
    "tree_weight",
    "sparsity_weight",
    "trunk_learning_rate_scale",
    "weight_decay",
)


def _check_weights(config: TrainConfig) -> None:
    source, sha256 = config.weights, config.weights_sha256
    require(
        source in (None, "hub", "lite0") or str(source).endswith(WEIGHTS_SUFFIXES),
        "`weights` must be None, 'hub', 'lite0' or the path of a file that ends in "
        f"{', '.join(WEIGHTS_SUFFIXES)}",
        source,
    )
    if sha256 is not None:
        require(
            source not in (None, "hub"),
            "`weights_sha256` must be None where `weights` names no file",
            sha256,
        )
        require(
            re.fullmatch("[0-9a-f]{64}", sha256) is not None,
            "`weights_sha256` must be 64 hexadecimal digits in lower case",
            sha256,
        )
