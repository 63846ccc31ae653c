# SPDX-License-Identifier: Apache-2.0
"""Pretraining, evaluation and export of RoboAct-CLIP."""
