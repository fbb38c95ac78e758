"""Evaluation: how close events are to a reference, every number beside its truth-against-truth floor."""

from cloudchamber.evaluate.budget import BUDGETS, Budget
from cloudchamber.evaluate.evaluation import Evaluation, evaluate
from cloudchamber.evaluate.score import Score

__all__ = ["BUDGETS", "Budget", "Evaluation", "Score", "evaluate"]
