"""The command line. `main` is its entry point."""
