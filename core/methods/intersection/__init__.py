"""Intersection regularization: Alg. 1 of the paper."""

from core.methods.intersection._method import Intersection

__all__ = ["Intersection"]
