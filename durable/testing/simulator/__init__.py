"""A whole task hub in one seeded event loop and virtual time, with everything that can fail."""
