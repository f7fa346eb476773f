"""Where azure-functions-durable 1.7 has its helpers; see `durable.models`."""
