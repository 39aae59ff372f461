"""`python -m lbreplay`, the same as the console script."""

from lbreplay.cli import main

if __name__ == "__main__":
    main()
