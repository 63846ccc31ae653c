# SPDX-License-Identifier: Apache-2.0
"""Online multimodal temporal action segmentation for ROS 2."""

__version__ = "0.1.0"
