"""HTTP and the command line. Never decodes an image."""
