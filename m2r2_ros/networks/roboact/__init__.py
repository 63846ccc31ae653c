# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP in torch: frozen frame encoders, Temporal Diff-Transformer, disentanglement."""
