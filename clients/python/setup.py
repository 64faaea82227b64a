"""Generates the stubs, then hands over to setuptools; all facts are in setup.cfg."""

import runpy
from pathlib import Path

from setuptools import setup

runpy.run_path(str(Path(__file__).parent / "generate.py"), run_name="__main__")
setup()
