# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
import yaml

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.heads.causal import CausalSettings
from m2r2_ros.training.heads.diffact import DiffActSettings
from m2r2_ros.training.settings import (
    PretrainSettings,
    load_settings,
    settings_from_dict,
    settings_to_dict,
)

SHIPPED = Path(__file__).parents[2] / "config" / "training"


@pytest.mark.parametrize("kind", [PretrainSettings, CausalSettings])
def test_plain_values_give_the_same_settings_back(kind, tmp_path):
    plain = settings_to_dict(kind())
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(plain))
    assert load_settings(kind, tmp_path / "s.yaml") == kind()


def test_modalities_are_those_of_the_layout_that_is_given(tmp_path):
    (tmp_path / "s.yaml").write_text("modalities: [skin]\nlayout: {signals: [wrench]}")
    layout = SensorLayout(audio=False, signals={"wrench": {}, "skin": {"width": 4}})
    settings = load_settings(PretrainSettings, tmp_path / "s.yaml", layout=layout)
    assert settings.layout == layout and settings.encoder_layout.modalities == ("skin",)
    with pytest.raises(M2R2Error, match="modalities: the layout has no 'skin'"):
        load_settings(PretrainSettings, tmp_path / "s.yaml")


@pytest.mark.parametrize(
    "text, message",
    [
        ("sed: 1", "unknown entry 'sed' .did you mean 'seed'"),
        ("model: {haeds: 2}", "model: unknown entry 'haeds' .did you mean 'heads'"),
        ("seed: one", "seed: expected int"),
        ("seed: -1", "seed must be in"),
        ("seed: 4294967296", "seed must be in"),
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
    assert load_settings(CausalSettings, tmp_path / "s.yaml") == CausalSettings()


def test_whole_numbers_are_fine_for_fractions():
    assert settings_from_dict(PretrainSettings, {"validation": 0}, "x").validation == 0.0


def test_entries_that_a_file_leaves_out_are_those_of_the_settings_not_of_their_part():
    head = settings_from_dict(CausalSettings, {"optimiser": {"epochs": 3}}, "x")
    assert head.optimiser == replace(CausalSettings().optimiser, epochs=3)
    diffact = settings_from_dict(DiffActSettings, {"optimiser": {"epochs": 3}}, "x")
    assert diffact.optimiser == replace(DiffActSettings().optimiser, epochs=3)
    assert diffact.optimiser.batch_size == 4 and diffact.optimiser.weight_decay == 1e-6


def test_a_file_can_extend_another(tmp_path):
    (tmp_path / "base.yaml").write_text("seed: 3\noptimiser: {epochs: 4, batch_size: 5}\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "s.yaml").write_text("extends: ../base.yaml\noptimiser: {epochs: 9}\n")
    found = load_settings(PretrainSettings, tmp_path / "deep" / "s.yaml")
    assert (found.seed, found.optimiser.epochs, found.optimiser.batch_size) == (3, 9, 5)


def test_files_that_extend_each_other_in_a_circle_are_named(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml")
    (tmp_path / "b.yaml").write_text("extends: a.yaml")
    with pytest.raises(M2R2Error, match=r"\.yaml: files extend each other more than"):
        load_settings(PretrainSettings, tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "values, message",
    [
        ({"modalities": ["hama1", "wrnch"]}, "no 'wrnch' .did you mean 'wrench'"),
        ({"action_weight": 0, "boundary_weight": 0}, "nothing to train"),
        ({"optimiser": {"mixed_precision": "half"}}, "one of no, bf16, fp16: 'half'"),
        ({"model": {"image_backbone": "clop"}}, "did you mean 'clip'"),
        ({"model": {"image_trained": True}}, "always frozen"),
    ],
)
def test_values_that_mean_nothing_are_named(values, message):
    with pytest.raises(M2R2Error, match=message):
        settings_from_dict(PretrainSettings, values, "x")


def numbers_in(settings, path=()):
    """Where there is a number in settings that have no checks of their own."""
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if isinstance(value, SensorLayout | TrackerConfig):
            continue
        if is_dataclass(value):
            yield from numbers_in(value, (*path, entry.name))
        elif type(value) in (int, float):
            yield (*path, entry.name), type(value)


@pytest.mark.parametrize("kind", [PretrainSettings, CausalSettings, DiffActSettings])
def test_no_number_is_negative_or_none(kind):
    """Whatever entry it is in, a file is answered with one line, before anything is trained."""
    found = list(numbers_in(kind()))
    assert len(found) > 10
    for path, number in found:
        for wrong in (number(-1), *(() if number is int else (math.nan, math.inf))):
            values = wrong
            for name in reversed(path):
                values = {name: values}
            with pytest.raises(M2R2Error, match=rf"^s\.yaml: .*{path[-1]}.* must be"):
                settings_from_dict(kind, values, "s.yaml")


@pytest.mark.parametrize(
    "values",
    [
        {"optimiser": {"epochs": 0}},
        {"optimiser": {"batch_size": 0}},
        {"optimiser": {"warm_up": 1.1}},
        {"model": {"heads": 0}},
        {"model": {"dropout": 1.5}},
        {"model": {"feature_dimension": 30}},
        {"model": {"image_size": 32}},
        {"window": {"boundary_sigma": 0}},
    ],
)
def test_sizes_that_cannot_be_are_one_line(values):
    ((_, entries),) = values.items()
    with pytest.raises(M2R2Error, match=rf"{next(iter(entries))} must be"):
        settings_from_dict(PretrainSettings, values, "s.yaml")


def test_the_encoder_sees_the_modalities_that_are_named():
    settings = settings_from_dict(PretrainSettings, {"modalities": ["hama2", "gripper"]}, "x")
    assert settings.encoder_layout.modalities == ("hama2", "gripper")
    assert settings.layout.modalities == PretrainSettings().layout.modalities
    assert PretrainSettings().encoder_layout == PretrainSettings().layout


DECLARED = {"left_pose": {}, "pad": {"width": 3, "range": [0, 1], "rate_hz": 50}, "wrench": {}}


def test_sensors_that_users_declare_are_settings_like_others():
    given = {"layout": {"cameras": [], "audio": False, "signals": DECLARED}}
    settings = settings_from_dict(PretrainSettings, given, "x")
    assert list(settings.layout.signals) == list(DECLARED)
    plain = settings_to_dict(settings)
    back = yaml.safe_load(yaml.safe_dump(plain, sort_keys=False))
    assert settings_from_dict(PretrainSettings, back, "x") == settings
    # As in Table II: an encoder of some of them, with what is declared of each.
    seen = settings_from_dict(PretrainSettings, given | {"modalities": ["pad", "wrench"]}, "x")
    assert seen.encoder_layout.signals == settings.layout.signals.only(["pad", "wrench"])
    assert seen.encoder_layout.signal_rate("pad") == 50
    with pytest.raises(M2R2Error, match=r"the layout has no 'pda' \(did you mean 'pad'\?\)"):
        settings_from_dict(PretrainSettings, given | {"modalities": ["pda"]}, "x")


def test_a_derived_signal_is_kept_and_goes_with_its_source():
    names = ["wrench", "pose", "twist"]
    given = {"cameras": [], "audio": False, "signals": names, "derived": {"twist": "pose"}}
    settings = settings_from_dict(PretrainSettings, {"layout": given}, "x")
    assert settings.layout.derived == (("twist", "pose"),)
    plain = settings_to_dict(settings)
    assert plain["layout"]["derived"] == {"twist": "pose"}
    assert settings_from_dict(PretrainSettings, plain, "x") == settings
    assert replace(settings, modalities=("wrench", "pose")).encoder_layout.derived == ()
    with pytest.raises(M2R2Error, match="derived 'twist': 'pose': the layout has no signal 'pose'"):
        replace(settings, modalities=("wrench", "twist")).encoder_layout  # noqa: B018


@pytest.mark.parametrize("signals", [3, "pose", {"pad": {}}, ["pad"], {"pad": 3}, [3], None])
def test_signals_that_cannot_be_are_one_line(signals):
    with pytest.raises(M2R2Error, match=r"^x: layout: signals: ") as refused:
        settings_from_dict(PretrainSettings, {"layout": {"signals": signals}}, "x")
    assert "\n" not in str(refused.value)


def test_layouts_of_presets_are_stored_as_they_were():
    stored = settings_to_dict(PretrainSettings())["layout"]
    assert stored["signals"] == ["wrench", "pose", "twist", "gripper"]


PRETRAINING = sorted({*SHIPPED.glob("*.yaml"), *SHIPPED.glob("ablations/*.yaml")})
PRETRAINING = [
    path
    for path in PRETRAINING
    if path.stem.split("_")[0] in ("m2r2", "br", "end") or path.parent.name == "ablations"
]


@pytest.mark.parametrize("path", PRETRAINING, ids=lambda path: path.stem)
def test_shipped_settings_load(path):
    assert load_settings(PretrainSettings, path)


def test_the_rows_of_table_2():
    rows = {path.stem: path for path in SHIPPED.glob("ablations/*.yaml")}
    seen = {
        name: load_settings(PretrainSettings, path).encoder_layout.modalities
        for name, path in rows.items()
    }
    every = load_settings(PretrainSettings, SHIPPED / "m2r2_taskboard.yaml").layout.modalities
    assert seen == {
        "only_vision": ("hama1", "hama2", "hand"),
        "only_audio": ("audio",),
        "only_proprioception": ("wrench", "pose", "twist", "gripper"),
        "no_gripper": tuple(name for name in every if name != "gripper"),
        "no_pose_twist": tuple(name for name in every if name not in ("pose", "twist")),
        "no_force_torque": tuple(name for name in every if name != "wrench"),
        "all": every,
    }


def test_shipped_head_settings_load():
    assert load_settings(CausalSettings, SHIPPED / "causal_taskboard.yaml")
