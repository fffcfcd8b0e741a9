# ruff: noqa: N802 - names and arguments are pymesos's
# mypy: ignore-errors
"""An operator on pymesos: prints each event as a line of JSON; lines on its input name methods to call.

usage: run_operator.py MASTER AGENT
"""

import json
import sys
import threading

from pymesos import MesosOperatorAgentDriver, MesosOperatorMasterDriver, OperatorMaster

printing = threading.Lock()


def say(callback, **values):
    with printing:
        sys.stdout.write(json.dumps({"callback": callback, **values}) + "\n")
        sys.stdout.flush()


class PrintingOperator(OperatorMaster):
    def taskAdded(self, task):
        say("taskAdded", task=task)

    def taskUpdated(self, event):
        say("taskUpdated", event=event)

    def frameworkAdded(self, framework):
        say("frameworkAdded", framework=framework)

    def frameworkUpdated(self, framework):
        say("frameworkUpdated", framework=framework)

    def frameworkRemoved(self, framework):
        say("frameworkRemoved", framework=framework)

    def agentAdded(self, agent):
        say("agentAdded", agent=agent)

    def agentRemoved(self, agent_id):
        say("agentRemoved", agent_id=agent_id)


if __name__ == "__main__":
    master = MesosOperatorMasterDriver(sys.argv[1], PrintingOperator())
    agent = MesosOperatorAgentDriver(sys.argv[2])
    master.start()
    for line in sys.stdin:
        who, method, *arguments = json.loads(line)
        answer = getattr({"master": master, "agent": agent}[who], method)(*arguments)
        say("answer", method=method, answer=answer)
    master.stop()
    master.join()
