# SPDX-License-Identifier: Apache-2.0
"""Samplers, losses, loops and export."""
