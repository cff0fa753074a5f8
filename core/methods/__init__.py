"""The methods that can be trained, by name."""

from core.methods._registry import METHODS, check_method, create_state

__all__ = ["METHODS", "check_method", "create_state"]
