# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from m2r2_ros.errors import M2R2Error
from m2r2_ros.training.settings import (
    HeadSettings,
    PretrainSettings,
    load_settings,
    settings_from_dict,
    settings_to_dict,
)

SHIPPED = Path(__file__).parents[2] / "config" / "training"


@pytest.mark.parametrize("kind", [PretrainSettings, HeadSettings])
def test_plain_values_give_the_same_settings_back(kind, tmp_path):
    plain = settings_to_dict(kind())
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(plain))
    assert load_settings(kind, tmp_path / "s.yaml") == kind()


@pytest.mark.parametrize(
    "text, message",
    [
        ("sed: 1", "unknown entry 'sed' .did you mean 'seed'"),
        ("model: {haeds: 2}", "model: unknown entry 'haeds' .did you mean 'heads'"),
        ("seed: one", "seed: expected int"),
        ("optimiser: 3", "optimiser: expected entries"),
        ("[1, 2]", "expected entries"),
        ("a: b: c", "is not YAML"),
        ("layout: {signals: [wrnch]}", "did you mean 'wrench'"),
    ],
)
def test_what_is_wrong_is_named(text, message, tmp_path):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(M2R2Error, match=message) as error:
        load_settings(PretrainSettings, tmp_path / "s.yaml")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(M2R2Error, match=r"cannot read .*none\.yaml"):
        load_settings(PretrainSettings, tmp_path / "none.yaml")


def test_an_empty_file_means_the_defaults(tmp_path):
    (tmp_path / "s.yaml").write_text("")
    assert load_settings(HeadSettings, tmp_path / "s.yaml") == HeadSettings()


def test_whole_numbers_are_fine_for_fractions():
    assert settings_from_dict(PretrainSettings, {"validation": 0}, "x").validation == 0.0


def test_shipped_settings_load():
    assert load_settings(PretrainSettings, SHIPPED / "m2r2_taskboard.yaml")
    assert load_settings(HeadSettings, SHIPPED / "causal_taskboard.yaml")
