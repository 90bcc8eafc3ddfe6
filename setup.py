"""What setup.cfg cannot say: a wheel is made of what is here now, and not of what an earlier one left in `build/`."""

import atexit
import shutil
import tempfile

from setuptools import setup

room = tempfile.mkdtemp(prefix="commons-build-")
atexit.register(shutil.rmtree, room, ignore_errors=True)
setup(options={"build": {"build_base": room}, "egg_info": {"egg_base": room}})
