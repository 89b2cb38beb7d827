import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernas.core.errors import DataError
from fernas.core.images import decode_image, encode_image, list_images, natural_key, read_image


@given(st.lists(st.integers(0, 10**9), min_size=1, unique=True))
def test_natural_order_is_numeric(numbers):
    names = [f"img{n}.jpg" for n in numbers]
    assert sorted(names, key=natural_key) == [f"img{n}.jpg" for n in sorted(numbers)]


def test_images(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for name in ("img10.png", "img9.png", "Thumbs.db", "._img1.png", "notes.txt"):
        (tmp_path / name).write_bytes(encode_image(image))
    assert [p.name for p in list_images(tmp_path)] == ["img9.png", "img10.png"]
    assert (read_image(tmp_path / "img9.png") == image).all()
    jpeg = encode_image(image, ".jpg")
    for data, message in ((b"", "empty"), (jpeg[: len(jpeg) // 2], "truncated"), (b"not an image", "not a readable")):
        with pytest.raises(DataError, match=message):
            decode_image(data, "x")
    with pytest.raises(DataError, match="at most 100"):
        decode_image(jpeg, "x", max_pixels=100)


def test_sixteen_bit_and_grey_images_become_eight_bit_rgb():
    deep = np.full((4, 4), 65535, np.uint16)
    assert decode_image(cv2.imencode(".png", deep)[1].tobytes()).tolist() == np.full((4, 4, 3), 255).tolist()
