"""What a search may vary and why, as Optuna distributions. Imports neither core nor Ray."""
