"""Services called over real DDS from a thread of their own: answers that are lost, and those that never come."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import SetBool

from hetnet_ros.errors import InputError
from hetnet_ros.nodes.calls import Caller, CallFailed
from hetnet_ros.nodes.inspector_client import InspectorClient


def test_a_request_whose_answer_is_lost_is_sent_again(executor: Any) -> None:
    node = rclpy.create_node("often_lost", namespace="/calls")
    executor.add_node(node)
    held, asked = threading.Event(), []

    def answer(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        asked.append(request.data)
        if len(asked) == 1:
            held.wait(20.0)
        response.success = True
        return response

    service = node.create_service(SetBool, "often_lost", answer, callback_group=ReentrantCallbackGroup())
    client = node.create_client(SetBool, "often_lost", callback_group=ReentrantCallbackGroup())
    try:
        assert Caller().service(client, SetBool.Request(data=True), 10.0, 8.0).success and asked == [True, True]
    finally:
        held.set()
    service.callback = lambda request, response: (time.sleep(1.0), response)[1]
    with pytest.raises(CallFailed, match="waited 0.4 s in vain for an answer of .*often_lost"):
        Caller().service(client, SetBool.Request(), 10.0, 0.4)
    executor.remove_node(node)


def test_a_demonstration_or_replay_asks_no_service_that_two_nodes_offer(executor: Any) -> None:
    nodes = [rclpy.create_node(name, namespace="/offered") for name in ("one", "other")]
    for node in nodes:
        node.create_service(SetBool, "/offered/switch", lambda request, response: response)
        executor.add_node(node)
    client = InspectorClient("asking", "/offered", lambda: None)
    try:
        client.wait(lambda: client.node.count_services("/offered/switch") == 2, 20.0, "both servers")
        with pytest.raises(InputError, match="2 servers offer the service /offered/switch: end all but one"):
            client.call(SetBool, "switch", SetBool.Request())
    finally:
        client.close()
        for node in nodes:
            executor.remove_node(node)
