# SPDX-License-Identifier: Apache-2.0
"""The ROS shell: subscribe, convert, call, publish. No algorithm lives here."""
