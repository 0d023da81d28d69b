"""Which method does a job that has to be done by one: the one place that names methods beside their own files."""

from __future__ import annotations

DEFAULT = "simclr"
"""Of `lookalike DATA`, of the short trainings that views are chosen by, and of the sheet of views."""
CLASSIFIER = "supervised"
"""That `finetune` trains a network on with labels by."""
