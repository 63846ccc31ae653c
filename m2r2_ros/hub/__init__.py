# SPDX-License-Identifier: Apache-2.0
"""Models folders by name, from the Hugging Face hub and to it."""
