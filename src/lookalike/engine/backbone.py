"""Where `FeatureExtractor` stood as `Backbone`: loaders that `lookalike export` has written import it from here."""

from lookalike.engine.feature_extractor import FeatureExtractor as Backbone
from lookalike.engine.feature_extractor import load_feature_extractor as load_backbone

__all__ = ["Backbone", "load_backbone"]
