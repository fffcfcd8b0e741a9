# ruff: noqa: N802 - names and arguments are pymesos's
# mypy: ignore-errors
"""An executor on pymesos: a task runs until it is killed, or finishes at once when its data says so."""

import uuid

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class EchoExecutor(Executor):
    def update(self, driver, task_id, state, **more):
        driver.sendStatusUpdate({"task_id": task_id, "state": state, "uuid": encode_data(uuid.uuid4().bytes), **more})

    def launchTask(self, driver, task):
        self.update(driver, task["task_id"], "TASK_RUNNING")
        if decode_data(task["data"]) == b"finish":
            self.update(driver, task["task_id"], "TASK_FINISHED", data=encode_data(b"result"))

    def killTask(self, driver, task_id):
        self.update(driver, task_id, "TASK_KILLED", message="killed as asked")

    def frameworkMessage(self, driver, message):
        driver.sendFrameworkMessage(encode_data(b"echo " + decode_data(message)))


if __name__ == "__main__":
    MesosExecutorDriver(EchoExecutor()).run()
