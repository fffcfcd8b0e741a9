"""Amounts of resources, as agents have them and tasks want them."""

from tepui.model.v1.mesos import Resource, Value


def scalar(name: str, amount: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount))
