"""One task hub: its names laid on storage ports, and the commit that keeps them in step."""
