"""The paper: quantizer, model, Algorithm 1, decision tree, fidelity and datasets.

Nothing in this package knows of Ray, MLflow or Optuna; `sweep` builds on it.
"""
