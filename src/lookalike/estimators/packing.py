"""A backbone as plain values and arrays, which is what a pickle of an estimator holds."""

from __future__ import annotations

import copy
import dataclasses

import torch

from lookalike.core.arithmetic import outside_autocast
from lookalike.core.record_types import Record
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.feature_extractor import FeatureExtractor, placed


def pack(backbone: FeatureExtractor) -> Record:
    """Architecture, statistics, weights; a network that was given from Python comes along as the module it is."""
    from_python = backbone.spec.name.startswith("python:")
    on_cpu = backbone.device == "cpu"
    return {
        "spec": dataclasses.asdict(backbone.spec),
        "mean": backbone.mean,
        "std": backbone.std,
        "precision": backbone.precision,
        # moving a module moves the one that is there: a copy is sent, to be read on a machine without that device too
        "module": (backbone.encoder if on_cpu else copy.deepcopy(backbone.encoder).cpu()) if from_python else None,
        "weights": {name: t.detach().cpu().numpy().copy() for name, t in backbone.encoder.state_dict().items()},
    }


@outside_autocast
def unpack(packed: Record, device: str) -> FeatureExtractor:
    """The backbone again, on a device."""
    spec = EncoderSpec(**packed["spec"])
    network = packed["module"] if packed["module"] is not None else build_encoder(spec, seed=0)
    network = network.double() if packed["precision"] == "float64" else network
    # copies: arrays that come out of a memory-mapped pickle may not be written
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in packed["weights"].items()})
    return FeatureExtractor(
        placed(network, device).eval(), spec, packed["mean"], packed["std"], packed["precision"], device
    )
