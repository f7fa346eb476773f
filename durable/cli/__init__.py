"""The command line, for operators: ``python -m durable``, or ``durable``."""
