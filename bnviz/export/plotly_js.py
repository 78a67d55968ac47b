"""plotly.js from the installed package: pages load it, and files that need no network contain it."""

from pathlib import Path

import plotly

PATH = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
VERSION = str(plotly.__version__)
