"""``python -m broker`` is ``ponymq``."""

from broker.cli.server_command import main

if __name__ == "__main__":
    main()
