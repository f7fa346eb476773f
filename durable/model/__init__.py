"""The words of the domain: frozen values, no JSON, no I/O."""
