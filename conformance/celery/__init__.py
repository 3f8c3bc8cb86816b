"""Celery, kombu, py-amqp and Flower from PyPI, as a broker meets them: processes, and the frames they send."""
