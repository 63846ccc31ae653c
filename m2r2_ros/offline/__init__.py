# SPDX-License-Identifier: Apache-2.0
"""A recording through the chain that runs on the robot."""
