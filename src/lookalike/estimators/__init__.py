"""The methods as scikit-learn estimators, for images in any form: features, groups, classes."""

from lookalike.core.process import generator_kept

with generator_kept():  # scikit-learn imports rich
    from lookalike.estimators.clusterers import DeepCluster, DeepClusterV2
    from lookalike.estimators.simclr import SimCLR
    from lookalike.estimators.supervised import Supervised

__all__ = ["DeepCluster", "DeepClusterV2", "SimCLR", "Supervised"]
