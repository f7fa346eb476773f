"""Durable orchestrations for Python, living entirely in Azure Storage."""
