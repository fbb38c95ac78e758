"""Files: each module reads and writes one format."""
