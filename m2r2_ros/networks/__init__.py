# SPDX-License-Identifier: Apache-2.0
"""M2R2, RoboAct-CLIP and the segmentation heads, in torch."""
