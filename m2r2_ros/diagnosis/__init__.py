# SPDX-License-Identifier: Apache-2.0
"""What a robot publishes, which of it serves which sensor, and what is wrong with it."""
