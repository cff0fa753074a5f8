"""From a sweep's description to finished runs: Ray Tune and Train, Optuna, MLflow."""
