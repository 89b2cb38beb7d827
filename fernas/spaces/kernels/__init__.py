"""The compiled loops of cells, used by supernets and by final networks alike; this package imports neither."""
