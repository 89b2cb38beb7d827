"""Faces: detection, landmarks and one alignment transform per clip; a sample without a face is a row with its reason.

May import: core. dlib is imported in `_dlib` only, the cascades of OpenCV are used in `_cascades` only.
"""
