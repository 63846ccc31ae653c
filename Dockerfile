# SPDX-License-Identifier: Apache-2.0
# m2r2_ros in an image of ROS 2, for amd64 and arm64 (a Jetson, say). NOT BUILT by the project's
# tests: there is no Docker engine where they run. docs/operations.md says what was tried on arm64.
#
#   docker build --platform linux/arm64 -t m2r2_ros .
#   docker run --rm -it --network host --ipc host -v ~/robot:/robot m2r2_ros \
#       ros2 launch m2r2_ros online_segmentation.launch.py config:=/robot/robot.yaml models:=/robot/models
#
# --network host: DDS finds the robot's nodes. --ipc host: pictures come through shared memory.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}

RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ros2_ws
COPY . src/m2r2_ros
RUN ln -s m2r2_ros/m2r2_msgs src/m2r2_msgs \
    && python3 -m venv --system-site-packages .venv \
    && touch .venv/COLCON_IGNORE \
    && .venv/bin/pip install --no-cache-dir av onnxruntime rosbags sounddevice soxr tokenizers

# The shell of `source`, here and in the entry point.
SHELL ["/bin/bash", "-c"]
RUN source .venv/bin/activate \
    && apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src -y --skip-keys \
        "python3-onnxruntime-pip python3-rosbags-pip python3-sounddevice-pip" \
    && rm -rf /var/lib/apt/lists/* \
    && source "/opt/ros/$ROS_DISTRO/setup.bash" \
    && colcon build

RUN printf '%s\n' '#!/bin/bash' 'source /ros2_ws/.venv/bin/activate' \
        'source /ros2_ws/install/setup.bash' 'exec "$@"' > /entrypoint.sh \
    && chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "m2r2_ros", "online_segmentation.launch.py"]
