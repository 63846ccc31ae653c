// SPDX-License-Identifier: Apache-2.0
//
// AwaitAction as a node of BehaviorTree.CPP 4, by its ROS wrapper behaviortree_ros2.
// Written after the wrapper's headers; it has been neither built nor run by this project.
//
// In your package: find_package(behaviortree_ros2) and find_package(m2r2_msgs). In your program:
//
//   BT::RosNodeParams params;
//   params.nh = std::make_shared<rclcpp::Node>("supervisor");
//   params.default_port_value = "await_action";  // of another robot: /arm1/await_action
//   factory.registerNodeType<AwaitAction>("AwaitAction", params);

#pragma once

#include <string>

#include <behaviortree_ros2/bt_action_node.hpp>
#include <m2r2_msgs/action/await_action.hpp>
#include <rclcpp/duration.hpp>

class AwaitAction : public BT::RosActionNode<m2r2_msgs::action::AwaitAction>
{
public:
  using BT::RosActionNode<m2r2_msgs::action::AwaitAction>::RosActionNode;

  static BT::PortsList providedPorts()
  {
    return providedBasicPorts({
      BT::InputPort<std::string>("action", "as the vocabulary writes it"),
      BT::InputPort<std::string>("object", "", "empty: whatever its object"),
      BT::InputPort<std::string>("until", "start", "start or end"),
      BT::InputPort<double>("timeout", 0.0, "seconds; 0: no limit"),
      BT::OutputPort<int>("outcome", "0: not told, 1: success, 2: failure"),
    });
  }

  bool setGoal(Goal & goal) override
  {
    std::string until;
    double timeout = 0.0;
    if (!getInput("action", goal.action) || !getInput("until", until)) {
      return false;
    }
    getInput("object", goal.object);
    getInput("timeout", timeout);
    goal.until = until == "end" ? Goal::END : Goal::START;
    goal.timeout = rclcpp::Duration::from_seconds(timeout);
    return true;
  }

  BT::NodeStatus onResultReceived(const WrappedResult & wrapped) override
  {
    setOutput("outcome", static_cast<int>(wrapped.result->segment.outcome));
    return BT::NodeStatus::SUCCESS;
  }

  // Timed out, stale or stopped: the base class answers FAILURE.
};
