"""Dynamic images: a clip as one image by rank pooling, and the stored inputs of every view.

Layer: above `faces`, below `spaces`. Depends on: core, faces.
"""
