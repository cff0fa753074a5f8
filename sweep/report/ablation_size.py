"""Tables and figure of `sweep.ablation_size`: the paper's Fig. 2 and its control."""

from collections.abc import Collection, Mapping

from sweep.report._arms import controls
from sweep.report._beside import printed_levels, printed_note, printed_values
from sweep.report._pairs import differences_table
from sweep.report._report import Figure, Panel, Point, Report, Series
from sweep.report._spread import CONFIDENCE, Difference, Spread
from sweep.report._words import means_in_words
from sweep.report.table import WITH_CONTROLS, ArmTable, spreads
from sweep.tracking import metrics
from sweep.tracking.plan import Arm
from sweep.tracking.results import SweepResults

Size = tuple[int, int]
"""n and r."""

ACCURACY = metrics.final(metrics.TEST_ACCURACY)
FIDELITY = metrics.final(metrics.FIDELITY_SCORE)
HELDOUT = metrics.final(metrics.FIDELITY_HELDOUT)
GAIN = metrics.final("gain")
HELDOUT_GAIN = metrics.final("heldout_gain")
UNTRAINED_SCORE = metrics.final("untrained_score")

PANELS = {
    "fidelity $d_D(F)$": FIDELITY,
    "gain over untrained": GAIN,
    "held-out gain": HELDOUT_GAIN,
    "test accuracy": ACCURACY,
}
COMPARED = {
    "accuracy": ACCURACY,
    "fidelity": FIDELITY,
    "held-out fidelity": HELDOUT,
    "gain": GAIN,
    "held-out gain": HELDOUT_GAIN,
}
OURS, QUANTIZED = "ours", "quantized network"
NARROW = ("accuracy", "fidelity", "held-out", "score gain", "held-out gain")


def build(results: SweepResults) -> Report:
    """Both methods at every size, their paired differences, and what the control leaves of it."""
    arms = {label: _by_size(results, label) for label in (QUANTIZED, OURS)}
    pairs = [(arms[OURS][size].name, arms[QUANTIZED][size].name) for size in arms[OURS]]
    return Report(
        title=results.plan.title,
        tables=[
            ArmTable.of(
                results,
                columns=WITH_CONTROLS,
                narrow=NARROW,
                published=printed_values(results),
            ).table(),
            differences_table(results, pairs, COMPARED),
        ],
        figures=[_figure(results, arms)],
        texts=[
            printed_note(results, "Fig. 2"),
            *_between_methods(results, arms),
            *_between_sizes(results, arms),
        ],
        question="Does the method match attributes better than the quantized network at every "
        "number of features and bits?",
    )


def _by_size(results: SweepResults, label: str) -> dict[Size, Arm]:
    """The arms of a method, which is known by whether it has Eq. 6's tree."""
    found = {}
    for arm in results.plan.arms:
        config = {**results.plan.base, **arm.overrides}
        if (config["tree_weight"] > 0) == (label == OURS):
            found[config["feature_dim"], config["num_bits"]] = arm
    return found


def _between_methods(results: SweepResults, arms: Mapping[str, Mapping[Size, Arm]]) -> list[str]:
    """The paper's reading: ours has more fidelity everywhere, at an accuracy that is similar."""
    texts = []
    for title, key in (("fidelity", FIDELITY), ("held-out gain over untrained", HELDOUT_GAIN)):
        found = _differences(results, arms, key)
        if not found:
            continue
        above = sum(difference.mean > 0 for difference in found.values())
        texts.append(
            f"By {title}, ours is above the quantized network at {above} of {len(found)} sizes"
            f"{_with_intervals(found.values())}: the paper's reading of Fig. 2 "
            f"{_verdict(found.values())}."
        )
    if _share_their_start(results, arms):
        texts.append(
            "Both methods start from the same network, so between them the gain's difference is "
            "the fidelity's: what the control tells apart is sizes."
        )
    found = _differences(results, arms, ACCURACY)
    if found:
        size, largest = max(found.items(), key=lambda item: abs(item[1].mean))
        held = [d for d in found.values() if _holds_zero(d)]
        known = any(d.interval() for d in found.values())
        intervals = f"; {len(held)} of {len(found)} intervals hold 0" if known else ""
        texts.append(
            "Accuracy, which the paper calls fairly similar: the largest difference is "
            f"{100 * largest.mean:+.1f} points, at {_name(size)}{intervals}."
        )
    return texts


def _between_sizes(results: SweepResults, arms: Mapping[str, Mapping[Size, Arm]]) -> list[str]:
    """What of the growth with n and r is training, and what is the maximum over more features."""
    texts = []
    keys = (FIDELITY, UNTRAINED_SCORE, GAIN, HELDOUT_GAIN)
    scores, untrained, gains, heldout = (spreads(results, key) for key in keys)
    for label, by_size in arms.items():
        sizes = [size for size, arm in sorted(by_size.items()) if arm.name in gains]
        if len(sizes) < 2:
            continue
        first, last = (by_size[size].name for size in (sizes[0], sizes[-1]))
        best = {
            title: _name(max(sizes, key=lambda size: found[by_size[size].name].mean))
            for title, found in (("fidelity", scores), ("gain", gains), ("held-out gain", heldout))
            if all(by_size[size].name in found for size in sizes)
        }
        texts.append(
            f"{label}, from {_name(sizes[0])} to {_name(sizes[-1])}: fidelity "
            f"{_change(scores, first, last)}, untrained {_change(untrained, first, last)}, "
            f"gain {_change(gains, first, last)} points. Largest "
            + ", ".join(f"{title} at {size}" for title, size in best.items())
            + "."
        )
    return texts


def _change(found: Mapping[str, Spread], first: str, last: str) -> str:
    return f"{100 * (found[last].mean - found[first].mean):+.1f}"


def _differences(
    results: SweepResults, arms: Mapping[str, Mapping[Size, Arm]], key: str
) -> dict[Size, Difference]:
    found = {
        size: Difference.of(
            results.final(arms[OURS][size].name, key),
            results.final(arms[QUANTIZED][size].name, key),
        )
        for size in sorted(arms[OURS].keys() & arms[QUANTIZED].keys())
    }
    return {size: difference for size, difference in found.items() if difference is not None}


def _with_intervals(found: Collection[Difference]) -> str:
    intervals = [interval for each in found if (interval := each.interval())]
    if not intervals:
        return ", of one seed"
    clear = sum(low > 0 for low, _ in intervals)
    return f", at {clear} with the {100 * CONFIDENCE:g} % interval of the paired difference above 0"


def _verdict(found: Collection[Difference]) -> str:
    """Whether one method is above everywhere; the intervals are each for itself."""
    intervals = [each.interval() for each in found]
    if not all(each.mean > 0 for each in found):
        return "does not hold here"
    if all(interval is not None and interval[0] > 0 for interval in intervals):
        return "holds here"
    return "holds here in the means alone"


def _holds_zero(difference: Difference) -> bool:
    interval = difference.interval()
    return interval is not None and interval[0] <= 0 <= interval[1]


def _share_their_start(results: SweepResults, arms: Mapping[str, Mapping[Size, Arm]]) -> bool:
    """Whether both scored the same before training, seed by seed, wherever both are known."""
    pairs = [
        (one[seed], two[seed])
        for size, arm in arms[OURS].items()
        if size in arms[QUANTIZED]
        for one, two in [
            (
                results.final(arm.name, UNTRAINED_SCORE),
                results.final(arms[QUANTIZED][size].name, UNTRAINED_SCORE),
            )
        ]
        for seed in one.keys() & two.keys()
    ]
    return bool(pairs) and all(one == two for one, two in pairs)


def _name(size: Size) -> str:
    return f"({size[0]}, {size[1]})"


def _figure(results: SweepResults, arms: Mapping[str, Mapping[Size, Arm]]) -> Figure:
    """One panel a measure, with a place for each (n, r)."""
    found = {title: spreads(results, key) for title, key in PANELS.items()}
    sizes = sorted({size for by_size in arms.values() for size in by_size})
    panels = [
        Panel(
            y_label=title,
            unit="points" if key in (GAIN, HELDOUT_GAIN) else "share",
            x_label="number of features $n$, bits $r$",
            categories=[_name(size) for size in sizes],
            series=[
                Series(
                    label=label,
                    joined=False,
                    points=[
                        Point.of(place, found[title][by_size[size].name])
                        for place, size in enumerate(sizes)
                        if size in by_size and by_size[size].name in found[title]
                    ],
                )
                for label, by_size in arms.items()
            ],
            levels=[
                *controls(results, key),
                *(printed_levels(results, "fidelity") if key == FIDELITY else ()),
                *(printed_levels(results, "accuracy") if key == ACCURACY else ()),
            ],
        )
        for title, key in PANELS.items()
        if found[title]
    ]
    words = {"fidelity $d_D(F)$": "fidelity"}
    return Figure(
        name="figure",
        title=results.plan.title,
        note=printed_note(results, "Fig. 2"),
        panels=panels,
        alternative=" ".join(
            means_in_words(words.get(title, title), found[title]) for title in PANELS
        ),
    )
