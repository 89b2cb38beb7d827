"""The apex frame of a clip: the same image as `still`, named so that a study of clips says what it shows."""

from fernas.views.still import Still


class Apex(Still):
    """The aligned face of the apex frame."""

    name = "apex"


PLUGIN = Apex()
