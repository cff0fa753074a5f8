"""Matthews' correlation between attributes and what is predicted of them.

Shape letters: N samples, A attributes.
"""

import numpy as np

from core.fidelity._inputs import Attributes, checked_predictions


def matthews_correlation(attributes_NA: Attributes, predicted_NA: Attributes) -> float | None:
    """Mean of Matthews' correlation over the attributes.

    The correlation of two binary columns: 1 for equal ones, -1 for opposite ones, 0 for a
    prediction that is constant or independent, whatever the prevalence.

    Nothing is chosen here. With `matched_predictions` and a selection split, the features were
    chosen there, by F1 and not by this correlation, so that F1 and it speak of the same matches.

    Parameters
    ----------
    attributes_NA, predicted_NA
        As in `chance_corrected_f1`.

    Returns
    -------
    float or None
        Over the attributes that both occur and are absent in some sample. None if there are none.

    Raises
    ------
    DataError
        If shapes disagree, something is empty or not binary.

    Notes
    -----
    Source: `sklearn.metrics.matthews_corrcoef`, which takes one column at a time; this takes all.

    Examples
    --------
    >>> attributes_NA = np.array([[1], [1], [0], [0]])
    >>> matthews_correlation(attributes_NA, np.array([[0], [0], [1], [1]]))
    -1.0
    """
    flags_NA, said_NA = checked_predictions(attributes_NA, predicted_NA)
    varies_A = flags_NA.any(axis=0) & ~flags_NA.all(axis=0)
    if not varies_A.any():
        return None
    flags_NA, said_NA = flags_NA[:, varies_A], said_NA[:, varies_A]
    num_samples = float(len(flags_NA))
    hits_A = np.count_nonzero(flags_NA & said_NA, axis=0)
    present_A = np.count_nonzero(flags_NA, axis=0).astype(np.float64)
    said_A = np.count_nonzero(said_NA, axis=0).astype(np.float64)
    covariance_A = num_samples * hits_A - present_A * said_A
    spread_A = present_A * (num_samples - present_A) * said_A * (num_samples - said_A)
    # A constant prediction has no spread; scikit-learn gives it 0 too.
    correlation_A = covariance_A / np.sqrt(np.where(spread_A > 0, spread_A, 1.0))
    return float(correlation_A.mean())
