"""The format on disk: names, hashing, keys, messages, rows, spill to blobs; no I/O."""
