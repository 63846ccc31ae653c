# SPDX-License-Identifier: Apache-2.0
"""Data preparation of RoboAct-CLIP (Algorithm 1): descriptions to subject, action and object."""
