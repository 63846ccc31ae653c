# SPDX-License-Identifier: Apache-2.0
"""From stamped samples to windows: arrays and time only, no ROS, no torch."""
