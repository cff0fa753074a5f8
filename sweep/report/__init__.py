"""Figures and tables, all read back from MLflow's finished runs."""
