"""The Azure Functions binding: an app's durable functions as HTTP, queue and timer triggers."""
