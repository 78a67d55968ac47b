"""`python -m bnviz`: see `bnviz.cli`."""

from bnviz.cli import main

if __name__ == "__main__":
    main()
