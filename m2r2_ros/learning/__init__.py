# SPDX-License-Identifier: Apache-2.0
"""From labelled recordings to models that the nodes load."""
