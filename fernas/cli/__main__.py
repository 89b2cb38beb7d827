"""`python -m fernas.cli`."""

from fernas.cli import main

if __name__ == "__main__":
    main()
