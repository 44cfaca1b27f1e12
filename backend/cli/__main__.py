"""Run the command line as ``python -m backend.cli``."""

from backend.cli.main import main

if __name__ == "__main__":
    main()
