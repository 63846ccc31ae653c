# SPDX-License-Identifier: Apache-2.0
"""Unsupervised segmentation from the wrench or the positions alone (M2R2 IV-C)."""
