"""The plain and the peers' ways, for `make bench`: what ours is held equal to, and timed against."""
