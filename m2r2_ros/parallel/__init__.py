# SPDX-License-Identifier: Apache-2.0
"""Threads, processes, child programs and clusters."""
