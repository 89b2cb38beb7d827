"""Frames of a camera; one of the homes of OpenCV."""

from collections.abc import Iterator

import numpy as np

from fernas.core.errors import ConfigError, DataError

MAX_NUMBER = 99  # OpenCV reads hundreds as the number of its own driver


def camera_frames(number: int, frames: int | None = None) -> Iterator[np.ndarray]:
    """Images of a camera as they come, uint8 RGB (H, W, 3), until `frames` of them or the end.

    Raises:
        ConfigError: a number that OpenCV does not take (it crashes below zero), or fewer than one frame.
        DataError: there is no such camera, or it gives no image.
    """
    import cv2

    if not 0 <= number <= MAX_NUMBER:
        raise ConfigError(f"camera: got {number}, expected a number from 0 to {MAX_NUMBER}")
    if frames is not None and frames < 1:
        raise ConfigError(f"frames: got {frames}, expected at least 1")
    cv2.utils.logging.setLogLevel(0)  # OpenCV warns in ten lines of an absent camera; ours is one error
    reader = cv2.VideoCapture(number)
    try:
        count = 0
        while frames is None or count < frames:
            is_read, image = reader.read() if reader.isOpened() else (False, None)
            if not is_read or image is None:
                # a stream that ends after some images is no error
                if count:
                    return
                raise DataError(f"camera {number}: gives no image, expected a camera that is plugged in and free")
            count += 1
            # OpenCV's images are BGR
            yield np.ascontiguousarray(image[:, :, ::-1])
    finally:
        reader.release()
