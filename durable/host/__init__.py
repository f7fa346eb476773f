"""A local Functions host: the same function_app.py, run by the host's rules, without `func`."""
