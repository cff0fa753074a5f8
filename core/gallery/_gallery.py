"""The images of a split, ordered by how clearly a feature fires on them.

Shape letters: N samples, D features, C channels, H height, W width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image

from core.data import Dataset, Split
from core.data.views import Cell, draw_sheet
from core.errors import ConfigError, DataError, did_you_mean
from core.extractor import AttributeExtractor, AttributeMatch, TrainedExtractor
from core.gallery._features import levels_and_features
from core.gallery._stump import Stump
from core.gallery._tests import TreeTest, tree_tests


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One image, and what a stump says of it."""

    row: int
    """In its split, counted from 0."""

    class_name: str
    level: int
    """Of the stump's feature."""

    fires: bool
    image: Image.Image
    """As the network saw it, grey or RGB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributePictures:
    """Where an attribute's match fires most, and what it misses."""

    match: AttributeMatch
    fires: tuple[Picture, ...]
    """The clearest first. Whether an image has the attribute plays no part."""

    missed: tuple[Picture, ...]
    """Images that have the attribute and on which the match does not fire, the furthest first."""

    num_fires: int
    num_missed: int
    """How many images there are of both kinds in the split."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassPictures:
    """A class on which a test of the tree fires, or does not."""

    class_name: str
    share: float
    """Of the class's images, on which the test fires."""

    pictures: tuple[Picture, ...]
    """The clearest first: firing ones where it fires on half of the class or more, else others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TestPictures:
    """A discovered attribute: a test of the tree, and the classes that it sets apart."""

    __test__ = False  # no test of pytest's

    test: TreeTest
    classes: tuple[ClassPictures, ...]
    """Those with images in the split, by falling share; equal ones in the data set's order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gallery:
    """A split's images with the levels of a trained network; made by `gallery`."""

    trained: TrainedExtractor
    dataset: Dataset
    split: Split
    levels_ND: npt.NDArray[np.uint8]
    """q(F(x))."""

    features_ND: npt.NDArray[np.float32]
    """F(x), as it was before q."""

    _rankings: dict[Stump, npt.NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def strongest(self, stump: Stump, count: int = 8) -> tuple[Picture, ...]:
        """Where a stump fires most clearly; fewer than `count` where it fires on fewer images."""
        return self.pictures(stump, self._firing(stump)[:count])

    def weakest(self, stump: Stump, count: int = 8) -> tuple[Picture, ...]:
        """Where it does not fire, the furthest from firing first."""
        return self.pictures(stump, self._silent(stump)[:count])

    def attribute(self, name: str, count: int = 6) -> AttributePictures:
        """An attribute's match, on the images that it fires on and on those that it misses.

        Parameters
        ----------
        name
            Of an attribute of the data set with a match; see `AttributeExtractor.match_attributes`.
        count
            Most pictures of each kind.

        Raises
        ------
        ConfigError
            If no attribute of that name was matched.
        """
        matches = {match.attribute: match for match in self.trained.matches}
        if name not in matches or name not in self.dataset.attribute_names:
            raise ConfigError(
                f"No attribute {name!r} was matched with a feature.{did_you_mean(name, matches)}"
            )
        stump = Stump.of(matches[name])
        has_N = self.split.attributes_NA[:, self.dataset.attribute_names.index(name)]
        firing, silent = self._firing(stump), self._silent(stump)
        missed = silent[has_N[silent]]
        return AttributePictures(
            match=matches[name],
            fires=self.pictures(stump, firing[:count]),
            missed=self.pictures(stump, missed[:count]),
            num_fires=len(firing),
            num_missed=len(missed),
        )

    def tests(self, most: int | None = None, *, count: int = 2) -> list[TestPictures]:
        """The discovered attributes: tests of the tree, the most important first; see `tree_tests`.

        Parameters
        ----------
        most
            How many tests; None for all.
        count
            Most pictures of a class.

        Raises
        ------
        DataError
            If the network was trained without a tree.
        """
        tree = self.trained.tree
        if tree is None:
            raise DataError(
                f"The method {self.trained.config.method!r} has no tree, so no test is picked out: "
                "use `strongest` with a feature and a range of levels."
            )
        return [self._test(test, count) for test in tree_tests(tree)[:most]]

    def pictures(
        self, stump: Stump, rows: Sequence[int] | npt.NDArray[np.int64]
    ) -> tuple[Picture, ...]:
        """Some rows of the split as pictures, with what a stump says of them."""
        rows_B = np.asarray(rows, dtype=np.int64)
        if not len(rows_B):
            return ()
        (images_BCHW,) = self.split.images.batches([rows_B])
        level_N = self.levels_ND[:, stump.feature]
        return tuple(
            Picture(
                row=row,
                class_name=self.dataset.class_names[self.split.labels_N[row]],
                level=int(level_N[row]),
                fires=bool(stump.holds(level_N[row : row + 1])[0]),
                image=_image(image_CHW),
            )
            for row, image_CHW in zip(rows_B.tolist(), images_BCHW.numpy(), strict=True)
        )

    def _test(self, test: TreeTest, count: int) -> TestPictures:
        stump = test.stump(self._num_levels)
        holds_N = stump.holds(self.levels_ND[:, stump.feature])
        firing, silent = self._firing(stump), self._silent(stump)
        labels_N = self.split.labels_N
        found = []
        for label, class_name in enumerate(self.dataset.class_names):
            of_class_N = labels_N == label
            if not of_class_N.any():
                continue
            share = float(holds_N[of_class_N].mean())
            rows = firing if share >= 0.5 else silent
            chosen = rows[labels_N[rows] == label][:count]
            found.append(
                ClassPictures(
                    class_name=class_name, share=share, pictures=self.pictures(stump, chosen)
                )
            )
        found.sort(key=lambda of_class: -of_class.share)
        return TestPictures(test=test, classes=tuple(found))

    @property
    def _num_levels(self) -> int:
        num_levels = self.trained.model.num_levels
        if num_levels is None:
            raise TypeError("A gallery's network has levels.")
        return num_levels

    def _ranking(self, stump: Stump) -> npt.NDArray[np.int64]:
        if stump.feature >= self.levels_ND.shape[1] or stump.highest >= self._num_levels:
            raise ConfigError(
                f"A stump of this network has a feature below {self.levels_ND.shape[1]} and levels "
                f"below {self._num_levels}, but got feature {stump.feature} and level "
                f"{stump.highest}."
            )
        if stump not in self._rankings:
            self._rankings[stump] = stump.ranking(
                self.levels_ND[:, stump.feature],
                self.features_ND[:, stump.feature],
                num_levels=self._num_levels,
            )
        return self._rankings[stump]

    def _firing(self, stump: Stump) -> npt.NDArray[np.int64]:
        ranking_N = self._ranking(stump)
        return ranking_N[stump.holds(self.levels_ND[ranking_N, stump.feature])]

    def _silent(self, stump: Stump) -> npt.NDArray[np.int64]:
        ranking_N = self._ranking(stump)[::-1]
        return ranking_N[~stump.holds(self.levels_ND[ranking_N, stump.feature])]


def gallery(
    extractor: AttributeExtractor | TrainedExtractor, dataset: Dataset, *, split: str = "test"
) -> Gallery:
    """Run a trained network over a split, to see what its features fire on.

    The order of images is that of `Stump.ranking`, and the same for the same weights and data.

    Parameters
    ----------
    extractor
        With levels. Its attributes' matches and its tree are used where it has them.
    dataset
        With images of the extractor's shape, and its classes in the same order.
    split
        "train", "minival" or "test".

    Raises
    ------
    ConfigError
        If the split does not exist.
    DataError
        If the data set is none that the extractor can have been trained on, has no pictures, or if
        the network has no levels.

    Examples
    --------
    >>> extractor = AttributeExtractor.load("artifacts")  # doctest: +SKIP
    >>> shown = gallery(extractor, load_dataset("field_guide"))  # doctest: +SKIP
    >>> [picture.class_name for picture in shown.strongest(Stump(feature=3, lowest=9, highest=15))]
    ... # doctest: +SKIP
    """
    trained = extractor if isinstance(extractor, TrainedExtractor) else extractor.trained_
    splits = dict(dataset.splits())
    if split not in splits:
        known = ", ".join(repr(name) for name in splits)
        raise ConfigError(f"`split` must be one of {known}, but got {split!r}.")
    channels = dataset.image_shape[0]
    if tuple(trained.input_shape) != dataset.image_shape or trained.scaling is not None:
        raise DataError(
            f"The extractor takes inputs of shape {tuple(trained.input_shape)}, but the images of "
            f"{dataset.name!r} have {dataset.image_shape}: give the data that it was trained on."
        )
    if channels not in (1, 3):
        raise DataError(f"Pictures have 1 or 3 channels, but {dataset.name!r} has {channels}.")
    if len(trained.classes) != dataset.num_classes:
        raise DataError(
            f"The extractor knows {len(trained.classes)} classes, but {dataset.name!r} has "
            f"{dataset.num_classes}: give the data that it was trained on."
        )
    levels_ND, features_ND = levels_and_features(trained.model, splits[split])
    return Gallery(
        trained=trained,
        dataset=dataset,
        split=splits[split],
        levels_ND=levels_ND,
        features_ND=features_ND,
    )


def sheet(pictures: Sequence[Picture], *, columns: int = 8) -> Figure:
    """Draw at least one picture, row by row, each with its class and level."""
    cells = [
        Cell(np.atleast_3d(np.asarray(picture.image)), picture.class_name, f"level {picture.level}")
        for picture in pictures
    ]
    return draw_sheet(cells, columns=columns)


def _image(image_CHW: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> Image.Image:
    """Floats are taken for what `AttributeExtractor` takes: 0 to 1."""
    if image_CHW.dtype != np.uint8:
        image_CHW = np.rint(255 * np.clip(image_CHW, 0, 1)).astype(np.uint8)
    image_HWC = np.ascontiguousarray(np.moveaxis(image_CHW, 0, -1))
    return Image.fromarray(image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC)
