# ruff: noqa: ARG002, N802 - names and arguments are pymesos's
# mypy: ignore-errors
"""A scheduler on pymesos: prints each callback as a line of JSON, does what lines on its input say.

usage: run_scheduler.py MASTER EXECUTOR_COMMAND [FRAMEWORK_ID]
"""

import json
import os
import sys
import threading

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

printing = threading.Lock()


def say(callback, **values):
    with printing:
        sys.stdout.write(json.dumps({"callback": callback, **values}) + "\n")
        sys.stdout.flush()


def scalars(**amounts):
    return [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in amounts.items()]


class PrintingScheduler(Scheduler):
    def __init__(self, executor_command):
        self.executor_command = executor_command
        self.wanted = []  # (task id, data) to launch on the next offer

    def registered(self, driver, framework_id, master_info):
        say("registered", framework_id=framework_id["value"], version=master_info["version"])

    def reregistered(self, driver, master_info):
        say("reregistered", version=master_info["version"])

    def disconnected(self, driver):
        say("disconnected")

    def resourceOffers(self, driver, offers):
        for offer in offers:
            say("offer", agent_id=offer["agent_id"]["value"])
            wanted, self.wanted = self.wanted, []
            tasks = [self.task(offer, *names) for names in wanted]
            if tasks:
                driver.launchTasks(offer["id"], tasks, {"refuse_seconds": 0})
            else:
                driver.declineOffer(offer["id"], {"refuse_seconds": 1})

    def task(self, offer, task_id, data):
        executor = {
            "executor_id": {"value": "pymesos"},
            "name": "pymesos",
            "framework_id": {"value": framework["id"]["value"]},
            "command": {"value": self.executor_command},
            "resources": scalars(cpus=0.1, mem=32),
        }
        return {
            "task_id": {"value": task_id},
            "agent_id": offer["agent_id"],
            "name": task_id,
            "executor": executor,
            "data": encode_data(data.encode()),
            "resources": scalars(cpus=0.1, mem=32),
        }

    def statusUpdate(self, driver, status):
        say("update", status=status)

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        say("message", text=decode_data(message).decode())

    def executorLost(self, driver, executor_id, agent_id, status):
        say("executor lost", executor_id=executor_id["value"], status=status)

    def slaveLost(self, driver, agent_id):
        say("agent lost", agent_id=agent_id["value"])

    def error(self, driver, message):
        say("error", message=message)


def obey(driver, scheduler, command, arguments):
    if command == "launch":
        scheduler.wanted.append(arguments)
        driver.reviveOffers()
    elif command == "kill":
        driver.killTask({"value": arguments[0]})
    elif command == "reconcile":
        driver.reconcileTasks([{"task_id": {"value": task_id}} for task_id in arguments])
    elif command == "message":
        agent_id, text = arguments
        driver.sendFrameworkMessage({"value": "pymesos"}, {"value": agent_id}, encode_data(text.encode()))
    elif command == "suppress":
        driver.suppressOffers()
    elif command == "die":
        os._exit(1)
    elif command == "stop":
        driver.stop()


if __name__ == "__main__":
    master, executor_command, *framework_ids = sys.argv[1:]
    framework = {"user": "root", "name": "pymesos", "hostname": "localhost", "failover_timeout": 100}
    if framework_ids:
        framework["id"] = {"value": framework_ids[0]}
    scheduler = PrintingScheduler(executor_command)
    driver = MesosSchedulerDriver(scheduler, framework, master)
    driver.start()
    for line in sys.stdin:
        words = line.split()
        obey(driver, scheduler, words[0], words[1:])
        say("done", command=words[0])
        if words[0] == "stop":
            break
    driver.join()
