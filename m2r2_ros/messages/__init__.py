# SPDX-License-Identifier: Apache-2.0
"""ROS 2 messages as serialised bytes, to and from arrays, without ROS: bags and live topics."""
