"""Search spaces: operations, cells, supernets and networks, from an architecture file to a `torch.nn.Module`.

Layer: above `core`, below `learn`. One file per cell space (`emonas`, `darts`, `autofernet`), each
exporting `PLUGIN`.
"""
