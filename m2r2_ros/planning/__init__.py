# SPDX-License-Identifier: Apache-2.0
"""What a planner knows of the published segments and what it waits for, without ROS."""
