"""How well discrete features recover binary attributes that training never saw (Eq. 3).

>>> result = fidelity(attributes_NA, levels_ND, num_levels=16)
>>> result.score, result.floor
>>> result.table(attribute_names)

What Eq. 3 leaves open is measured beside it, in one call or one by one:

>>> measures(attributes_NA, levels_ND, labels_N, num_levels=16, selection=minival).scalars()

and what it comes to where nothing was recovered, or everything was shown, are controls:

>>> controls(attributes_NA, levels_ND, labels_N, num_levels=16, train=train).scalars()
"""

from core.fidelity._ceiling import Ceiling, supervised_ceiling
from core.fidelity._chance_corrected import chance_corrected_f1
from core.fidelity._class_detector import class_detector
from core.fidelity._class_independence import class_independence
from core.fidelity._coalition import Coalitions, coalitions
from core.fidelity._controls import Controls, controls
from core.fidelity._fidelity import fidelity
from core.fidelity._heldout import matched_predictions
from core.fidelity._matthews import matthews_correlation
from core.fidelity._measures import Measures, measures
from core.fidelity._one_to_one import OneToOne, distinct_features, one_to_one
from core.fidelity._result import Fidelity, Matches
from core.fidelity._shuffled import shuffled, shuffled_within_classes
from core.fidelity._sldd_alignment import sldd_alignment
from core.fidelity._switch import Counterfactuals, counterfactual_switch
from core.fidelity._within_class import within_class_gain

__all__ = [
    "Ceiling",
    "Coalitions",
    "Controls",
    "Counterfactuals",
    "Fidelity",
    "Matches",
    "Measures",
    "OneToOne",
    "chance_corrected_f1",
    "class_detector",
    "class_independence",
    "coalitions",
    "controls",
    "counterfactual_switch",
    "distinct_features",
    "fidelity",
    "matched_predictions",
    "matthews_correlation",
    "measures",
    "one_to_one",
    "shuffled",
    "shuffled_within_classes",
    "sldd_alignment",
    "supervised_ceiling",
    "within_class_gain",
]
