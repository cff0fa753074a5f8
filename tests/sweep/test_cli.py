"""What the command line takes, and what it refuses before anything starts."""

import socket
from pathlib import Path

import pytest

from sweep import ablation_p, ablation_size, pretraining, search
from sweep.cli import EXIT_REFUSED, Experiment, add_run_flags, command_parser, main
from tests.sweep import single, tiny

FLAGS = {
    "--help",
    "--dataset",
    "--data",
    "--seeds",
    "--set",
    "--dry-run",
    "--teraflops",
    "--measures",
    "--output",
    "--tracking-uri",
    "--storage",
    "--address",
    "--executor",
    "--checkpoint-seconds",
    "--cpus-per-trial",
    "--gpus-per-trial",
    "--workers-per-trial",
    "--loader-workers",
    "--max-concurrent",
    "--retries",
    "--take-over",
    "--wait-for-nodes",
}


def test_the_list_of_flags_is_frozen() -> None:
    parser = add_run_flags(command_parser(""))
    options = {option for action in parser._actions for option in action.option_strings}
    assert options - {"-h"} == FLAGS


def test_dry_run_prints_every_trial(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ablation_p.EXPERIMENT, ["--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "51 trials" in output
    assert output.count("seed=") == 51
    shared = (
        "tree only = sparsity_norm=l1 mask_probability=0.0 = sparsity_norm=l2 mask_probability=0.0 "
        "= sparsity_norm=l2 mask_probability=0.0 equal-penalty"
    )
    assert output.count(shared) == 3
    assert "Preset 'digits'" in output


@pytest.mark.parametrize(("given", "seeds"), [([], 5), (["--seeds", "2"], 2)])
def test_a_sweep_says_how_many_seeds_it_takes(
    given: list[str], seeds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ablation_size.EXPERIMENT, ["--dry-run", *given]) == 0
    assert f"{18 * seeds} trials" in capsys.readouterr().out
    repetitions = ablation_size.EXPERIMENT.repetitions
    assert (repetitions.on("digits"), repetitions.on("cub")) == (5, 20)


def test_a_sweeps_own_settings_are_printed_and_give_way_to_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def hashes(*arguments: str) -> set[str]:
        given = ["--dataset", "field_guide", "--dry-run", *arguments]
        assert main(pretraining.EXPERIMENT, given) == 0
        output = capsys.readouterr().out
        # What --set changes is printed as its own.
        size = "" if arguments else "image_size=96, "
        assert f"This sweep: {size}trunk=tf_efficientnet_lite0" in output
        assert not arguments or f"--set: {arguments[1]}" in output
        return {line.split()[0] for line in output.splitlines() if "seed=" in line}

    plain = hashes()
    assert len(plain) == 12
    assert hashes("--set", "image_size=96") == plain
    assert not hashes("--set", "image_size=64") & plain


def test_a_setting_that_would_change_no_trial_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Of the sweep's arms, those off its grid have no sparsity loss.
    for setting, shown in (("mask_probability=0.3", "0.0, 0.1, 0.3"), ("seed=4", "")):
        arguments = ["--dry-run", "--set", setting]
        assert main(ablation_p.EXPERIMENT, arguments) == EXIT_REFUSED
        printed = " ".join(capsys.readouterr().out.split())
        assert f"--set {setting} would change no trial: every arm of this sweep sets" in printed
        assert shown in printed
    assert main(ablation_p.EXPERIMENT, ["--dry-run", "--set", "sparsity_weight=0.01"]) == 0


def test_a_sweep_at_a_size_is_refused_on_a_dataset_of_one_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--dataset", "digits", "--output", str(tmp_path)]
    assert main(pretraining.EXPERIMENT, arguments) == EXIT_REFUSED
    assert "`image_size` must be None for 'digits'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("experiment", "arguments", "message"),
    [
        (
            ablation_p.EXPERIMENT,
            [
                "--dataset",
                "cub",
                "--set",
                "crop_size=none",
                "--set",
                "resize_size=none",
                "--set",
                "augmentation=none",
            ],
            "`resize_size` and `crop_size` must be given for 'cub'",
        ),
        (pretraining.EXPERIMENT, ["--dataset", "digits"], "`image_size` must be None for 'digits'"),
        (ablation_p.EXPERIMENT, ["--workers-per-trial", "2"], "add --set trunk_norm=group"),
    ],
)
def test_dry_run_refuses_what_the_run_would(
    experiment: Experiment, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(experiment, ["--dry-run", *arguments]) == EXIT_REFUSED
    assert message in " ".join(capsys.readouterr().out.split())


def test_search_dry_run_prints_the_space(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.main(["--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "sparsity_weight: 1e-05 to 0.1, log scale" in output
    assert "Objective: minival-accuracy (maximize, percent)" in output
    assert "Trials: 20" in output
    assert search.main(["--dry-run", "--space", "penalty", "--sampler", "grid"]) == 0
    assert "Trials: 101" in capsys.readouterr().out
    arguments = ["--hours", "2", "--fix", "num_bits=3", "--range", "feature_dim=64,128"]
    assert search.main(["--dry-run", *arguments]) == 0
    output = capsys.readouterr().out
    assert "num_bits:" not in output
    assert "feature_dim: one of 64, 128" in output
    assert "Trials: until another bound is reached" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "joined"], "There is no space 'joined'"),
        (["--fix", "hidden_dim=3"], "'hidden_dim' is not searched"),
        (["--range", "num_bits"], "must be KEY=LOW:HIGH"),
        (["--range", "num_bits=8:2"], "no range of 2 to 8"),
        (["--set", "num_bits=3"], "Use --fix num_bits=VALUE"),
        (["--constraint", "accuracy"], "must be a name, >= or <=, and a number"),
        (["--constraint", "accuracy >= 3"], "names no objective"),
        (["--sampler", "cmaes"], "learns of numbers alone"),
        (["--sampler", "grid"], "Every point can be tried only where there is one"),
        (["--space", "penalty", "--sampler", "gp"], "wants every key in every trial"),
        (
            [
                "--space",
                "lambdas",
                "--sampler",
                "cmaes",
                "--objective",
                "zero-share",
                "tree-leaves",
            ],
            "takes one objective",
        ),
        (["--sampler", "random", "--constraint", "zero-share>=3"], "knows no constraints"),
        (["--pruner", "wilcoxon"], "it wants several"),
        (["--pruner", "asha", "--seeds-per-trial", "3"], "compare epochs of one seed"),
        (["--pruner", "asha", "--constraint", "zero-share>=3"], "has no final numbers"),
        (["--pruner", "asha", "--set", "num_epochs=2"], "at least 4 epochs"),
        (["--patience", "3", "--objective", "zero-share", "tree-leaves"], "compare one objective"),
        (["--gpu-hours", "3"], "--gpu-hours without a GPU"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_made(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "runs"
    assert search.main(["--output", str(output), *arguments]) == EXIT_REFUSED
    assert message in " ".join(capsys.readouterr().out.split())
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sed", "3"], "unrecognized arguments: --sed"),
        (["--seeds", "0"], "must be at least 1, but got 0"),
        (["--seeds", "x"], "must be an integer, but got 'x'"),
        (["--set", "num_epochs"], "must be FIELD=VALUE, but got 'num_epochs'"),
        (["--set", "num_epoch=3"], "'num_epoch' is no field of TrainConfig. Did you mean"),
        (["--teraflops", "0"], "must be above 0, but got 0"),
        (["--gpus-per-trial", "-1"], "must be at least 0, but got -1"),
        (["--gpus-per-trial", "inf"], "must be at least 0, but got inf"),
        (["--gpus-per-trial", "x"], "must be a number"),
        (["--retries", "-1"], "must be at least 0"),
    ],
)
def test_wrong_flags_are_refused_by_the_parser(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(ablation_p.EXPERIMENT, arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


SMALL_CUB = ["--dataset", "cub", "--set", "trunk=conv", "--set", "weights=null"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "label_weight=0"], "`label_weight` must be above 0, but got 0.0"),
        (["--set", "num_bits=0"], "`num_bits` must lie in [1, 8], but got 0"),
        (["--set", "mask_probability=1.5"], "`mask_probability` must lie in [0, 1], but got 1.5"),
        (["--set", "trunk=resnet5O"], "Did you mean"),
        (["--dataset", "cifar"], "Dataset 'cifar' is none of 'digits', 'field_guide'"),
        (["--dataset", "digit"], "Did you mean 'digits'?"),
        (["--dataset", "digits", "--data", "x"], "`data` must be None for 'digits', which is"),
        (["--data", "no/such"], "of the packed dataset, but 'no/such' is no folder"),
        (["--data", "docs"], "'docs' has no manifest.json, so it is no packed dataset"),
        (["--data", "a/b", "--data", "c/d"], "--data gives a/b and c/d: say with --dataset"),
        (
            ["--loader-workers", "2"],
            "--loader-workers 2 decode packed datasets, but the sweep trains on digits",
        ),
        (["--dataset", "cub"], "`data` must say where 'cub' was packed"),
        ([*SMALL_CUB, "--data", "no/such"], "'{root}/no/such' is no folder"),
        ([*SMALL_CUB, "--data", "docs"], "'{root}/docs' has no manifest.json"),
        ([*SMALL_CUB, "--data", "x://y"], "'x://y' must be a local folder or a URI"),
        (
            ["--set", "resize_size=9", "--set", "crop_size=9"],
            "`crop_size` must be None for 'digits'",
        ),
        (["--set", "crop_size=8"], "must be given together, but got None and 8"),
        (["--set", "frozen_stages=9"], "`frozen_stages` must be at most 3"),
        (["--set", "weights=gone.pth"], "`weights` must be the path of a file"),
        (["--tracking-uri", "http://127.0.0.1:1"], "does not answer"),
        (["--tracking-uri", "http://"], "has no host name"),
        (["--tracking-uri", "nonsense://x"], "--tracking-uri 'nonsense://x' cannot be used"),
        (["--data", "cub=x"], "--data says where 'cub' lies, but the sweep trains on digits alone"),
        (
            ["--dataset=digits", "--data=x", "--data=digits=y"],
            "--data gives 'digits' two places, 'x' and 'y'",
        ),
        (["--storage", "/proc/none"], "--storage '/proc/none' cannot be written"),
        (["--address", "127.0.0.1:1"], "No Ray cluster answers at '127.0.0.1:1'"),
        (["--gpus-per-trial", "64"], "A trial asks for 64 GPUs, but this machine has"),
        (["--workers-per-trial", "4000"], "A trial asks for 4000 CPUs, but this machine has"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(tiny.EXPERIMENT, ["--output", str(tmp_path / "out"), *arguments])
    captured = capsys.readouterr()
    assert code == EXIT_REFUSED
    errors = [line for line in captured.out.splitlines() if "error" in line]
    assert len(errors) == 1
    assert message.replace("{root}", str(Path.cwd())) in errors[0]
    assert "Traceback" not in captured.out + captured.err


def test_a_ray_that_died_is_told_of_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # `ray start` writes its address there, and whoever gives none is to join it.
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert main(tiny.EXPERIMENT, ["--output", str(tmp_path / "out")]) == EXIT_REFUSED
    printed = " ".join(capsys.readouterr().out.split())
    assert "No Ray cluster answers at '127.0.0.1:1'" in printed
    assert "forget one that died with `ray stop`" in printed


def test_batch_statistics_on_several_cpu_workers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--output", str(tmp_path), "--workers-per-trial", "2"]
    assert main(single.EXPERIMENT, arguments) == EXIT_REFUSED
    assert "`trunk_norm='group'`" in capsys.readouterr().out


def test_output_that_is_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert main(tiny.EXPERIMENT, ["--output", str(file)]) == EXIT_REFUSED
    assert "is a file: give a folder" in capsys.readouterr().out


def test_a_server_that_is_no_mlflow_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]  # bound, but it does not listen
        code = main(
            tiny.EXPERIMENT,
            ["--output", str(tmp_path), "--tracking-uri", f"http://127.0.0.1:{port}"],
        )
    assert code == EXIT_REFUSED
    assert "does not answer" in capsys.readouterr().out


def test_a_search_storage_that_cannot_be_opened_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--output", str(tmp_path), "--study-storage", "sqlite:////no/such/folder/x.db"]
    assert search.main(arguments) == EXIT_REFUSED
    assert "--study-storage" in capsys.readouterr().out
