# SPDX-License-Identifier: Apache-2.0
"""Training tests need the training extras and one core each."""

import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
