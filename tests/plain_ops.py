"""torchvision's detectors where its compiled part is missing: the two operations that they need, in plain PyTorch."""

import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor

from lookalike.core.errors import LookalikeError
from lookalike.core.optional import need_vision


def plain_torchvision(patch: pytest.MonkeyPatch) -> ModuleType:
    """torchvision, its detectors able to run; the test skips where it cannot be imported at all."""
    try:
        found = need_vision("torchvision", "this test")
    except LookalikeError as error:
        pytest.skip(str(error))
    import torchvision.ops  # noqa: F401 - a part of its own

    if not found.extension._has_ops():
        patch.setattr(sys.modules["torchvision.ops.boxes"], "nms", nms)
        # torchvision compiles this one when it is first called, which takes longer than the whole test
        roi_align = sys.modules["torchvision.ops.roi_align"]
        patch.setattr(roi_align, "_roi_align", roi_align._roi_align.__wrapped__)
    return found


def nms(boxes_N4: Tensor, scores_N: Tensor, iou_threshold: float) -> Tensor:
    """Rows of the boxes that no better box overlaps by more than `iou_threshold`, the best first."""
    from torchvision.ops.boxes import box_iou

    order = scores_N.argsort(descending=True, stable=True)
    overlap = box_iou(boxes_N4[order], boxes_N4[order]) > iou_threshold
    kept: list[int] = []
    suppressed = torch.zeros(len(order), dtype=torch.bool)
    for i in range(len(order)):
        if not suppressed[i]:
            kept.append(i)
            suppressed |= overlap[i]
    return order[kept]
