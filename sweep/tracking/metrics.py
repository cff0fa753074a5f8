"""The metric keys and tags of runs. A method's losses and an evaluation's numbers name themselves.

Kept free of MLflow, because trial processes import it and need no MLflow.
"""


def loss(name: str) -> str:
    """The key of a loss of a method; loss terms are unweighted."""
    return f"loss/{name}"


def seconds(part: str) -> str:
    """The key of an epoch's wall time in a part of the work."""
    return f"seconds_{part}"


LABEL_LOSS = loss("label")
TREE_LOSS = loss("tree")
SPARSITY_LOSS = loss("sparsity")
MINIVAL_ACCURACY = "minival_accuracy"
MINIVAL_TREE_ACCURACY = "minival_tree_accuracy"
TEST_ACCURACY = "test_accuracy"
TEST_TREE_ACCURACY = "test_tree_accuracy"
FIDELITY_SCORE = "fidelity_score"
FIDELITY_FLOOR = "fidelity_floor"
FIDELITY_HELDOUT = "fidelity_heldout"
ZERO_SHARE = "zero_share"
USED_LEVELS = "used_levels"
TREE_DEPTH = "tree_depth"
TREE_LEAVES = "tree_leaves"
SECONDS_NETWORK = seconds("network")
SECONDS_TREE = seconds("tree")
SECONDS_DATA = seconds("data")
SECONDS_VALIDATION = seconds("validation")

SECONDS = (SECONDS_NETWORK, SECONDS_TREE, SECONDS_DATA, SECONDS_VALIDATION)
"""Wall time of an epoch by part."""

SYSTEM_MEMORY = "system/memory_peak"
SYSTEM_CPU = "system/cpu_utilization"
SYSTEM_GPU_MEMORY = "system/gpu_memory_peak"
SYSTEM_GPU = "system/gpu_utilization"
"""Of an epoch, on the first worker: megabytes, and percent of what the worker was given. MLflow
shows keys that begin so among its system metrics."""

EPOCH_METRICS = (
    LABEL_LOSS,
    TREE_LOSS,
    SPARSITY_LOSS,
    MINIVAL_ACCURACY,
    MINIVAL_TREE_ACCURACY,
    TEST_ACCURACY,
    TEST_TREE_ACCURACY,
    FIDELITY_SCORE,
    FIDELITY_FLOOR,
    FIDELITY_HELDOUT,
    ZERO_SHARE,
    USED_LEVELS,
    TREE_DEPTH,
    TREE_LEAVES,
    *SECONDS,
)
"""Logged once an epoch, with the epoch as MLflow's step. Loss terms are unweighted."""

REPORTED_EPOCH = "final/epoch"
TRAIN_SECONDS = "final/train_seconds"


ASSESSMENT = (
    *("gain", "heldout_gain", "untrained_score", "untrained_heldout"),
    *("one_to_one", "distinct_features", "coalition_f1", "coalition_size"),
    *("chance_corrected_f1", "matthews_correlation", "class_independence", "within_class_gain"),
    *("counterfactual_switch", "sldd_alignment", "shuffled_score", "shuffled_heldout"),
    *("shuffled_within_classes_score", "shuffled_within_classes_heldout"),
    *("class_detector_score", "class_detector_heldout", "probe_f1", "stump_f1"),
)
"""Of a finished run alone: `core.assessment.Assessment.scalars`."""


def final(key: str) -> str:
    """The key of a metric's value at the reported epoch, which early stopping may set back."""
    return f"final/{key}"


def is_system(key: str) -> bool:
    """Whether a key is that of the hardware, and not of the method."""
    return key.startswith("system/")


def is_final(key: str) -> bool:
    """Whether a key is that of a trial's end, and not of an epoch."""
    return key.startswith(final(""))


ASSESSMENT_METRICS = tuple(final(name) for name in ASSESSMENT)
"""Those that data and method have are logged once, at a trial's end."""

FINAL_METRICS = (REPORTED_EPOCH, TRAIN_SECONDS, *(final(key) for key in EPOCH_METRICS))

TAG_SWEEP = "sweep"
TAG_SWEEP_ID = "sweep_id"
TAG_ARM = "arm"
TAG_CONFIG_HASH = "config_hash"
TAG_DATASET_FINGERPRINT = "dataset_fingerprint"
TAG_GIT_COMMIT = "git_commit"
TAG_SEED = "seed"
TAG_FAILURE = "failure"
TAG_EXECUTOR = "executor"
TAG_CPUS = "cpus_per_trial"
TAG_GPUS = "gpus_per_trial"
TAG_OBJECTIVE = "objective"
"""Of a search: names of `sweep.tracking.objectives`, with spaces between them."""

TAG_STUDY = "optuna_study"
TAG_STUDY_TRIAL = "optuna_trial"
"""Of a trial: the study that asked for it, and its number there."""

TAG_PRUNED = "pruned"
"""Of a trial that a pruner stopped: when. Its run's status is KILLED, and it is no failure."""

TAG_COMMAND = "command"
TAG_KIND = "kind"
KIND_ARM = "arm"
"""Kind of the run that holds an arm's means: no trial, so it has no config hash."""
