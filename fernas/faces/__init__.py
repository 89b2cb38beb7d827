"""Faces: detection, landmarks and one alignment transform per clip; a face that is not found is a row with its reason.

Layer: above `datasets` and `synth`, below `dynamic_images`. Depends on: core. dlib is imported in `_dlib` only, the
cascades of OpenCV are used in `_cascades` only.
"""
