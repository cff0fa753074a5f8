"""How well discrete features recover binary attributes that training never saw (Eq. 3).

>>> result = fidelity(attributes_NA, levels_ND, num_levels=16)
>>> result.score, result.floor
>>> result.table(attribute_names)
"""

from core.fidelity._fidelity import fidelity
from core.fidelity._result import Fidelity, Matches

__all__ = ["Fidelity", "Matches", "fidelity"]
