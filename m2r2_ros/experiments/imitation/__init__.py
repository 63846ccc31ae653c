# SPDX-License-Identifier: Apache-2.0
"""Policies that imitate the simulated operator, to see what a frozen encoder's features carry."""
