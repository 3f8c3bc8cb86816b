"""Who this broker is, as every answer of the metrics and of the HTTP API says it."""

from msgspec import Struct


class Node(Struct):
    """Its names and versions. Of these only the cluster's name may change while the process runs.

    Attributes:
        name: ``ponymq@host``.
        cluster_name: As the settings name it, or an administrator.
        cluster_id: Stays the same through restarts: ``rabbitmq_cluster_permanent_id``.
        product_version: Our version.
        rabbitmq_version: The version of RabbitMQ that tools may take us for.
        started_s: Start of the process by the broker's monotonic clock, seconds.
        product_name: Ours.
    """

    name: str
    cluster_name: str
    cluster_id: str
    product_version: str
    rabbitmq_version: str
    started_s: float
    product_name: str = "PonyMQ"
