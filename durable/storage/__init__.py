"""Ports to Azure Storage and their adapters: bytes, rows, ETags, visibility; no workflow word."""
