"""What user code touches: definitions, the registry, the context, replay-safe logging."""
