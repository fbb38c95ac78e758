"""`python -m cloudchamber` is the command `cloudchamber`."""

from cloudchamber.cli.main import main

if __name__ == "__main__":
    main()
