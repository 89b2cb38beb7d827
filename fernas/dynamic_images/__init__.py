"""Dynamic images: a clip as one picture by rank pooling, and the stored inputs of every view.

Layer: above `faces`, below `spaces`. Depends on: core, faces.
"""
