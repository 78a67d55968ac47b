"""What a wheel holds beside the package: app.py, pages/ and the server's settings, as bnviz/served/."""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithoutThisFile(build_py):
    """Takes app.py from this folder and leaves setup.py."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """The modules of a package, as (package, module, file)."""
        found = super().find_package_modules(package, package_dir)
        return [item for item in found if item[1] != "setup"]


setup(
    packages=[*find_packages(include=["bnviz*"]), "bnviz.served", "bnviz.served.pages"],
    package_dir={"bnviz": "bnviz", "bnviz.served": ".", "bnviz.served.pages": "pages"},
    cmdclass={"build_py": BuildWithoutThisFile},
)
