"""What holds for every test."""

from hypothesis import settings

# A slow machine is no failure: speed is measured in benchmarks.
settings.register_profile("ponymq", deadline=None)
settings.load_profile("ponymq")
