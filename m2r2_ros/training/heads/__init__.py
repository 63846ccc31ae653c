# SPDX-License-Identifier: Apache-2.0
"""How each segmentation head is trained: one file a head, found by its name."""
