"""MLflow: what a sweep writes there, and what is read back."""
