import numpy as np
import pytest
import torch

from fernas.learn.augment import Augmenter, Draw, evaluation_view
from fernas.learn.config import AugmentConfig

STILL = {"flip": False, "padding": 0, "rotation_deg": 0.0}


def batch(count=6, size=12, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, size, size, 3)).astype(np.uint8))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(count, top=0, left=0, flip=False, angle=0.0):
    return Draw(
        torch.full((count,), flip),
        torch.full((count,), top),
        torch.full((count,), left),
        torch.full((count,), angle),
        torch.ones(count),
        torch.ones(count),
    )


def test_without_any_change_it_equals_the_evaluation_view():
    config = AugmentConfig(**STILL)
    images = batch()
    assert torch.equal(Augmenter(config)(images, generator()), evaluation_view(images, config))


@pytest.mark.parametrize(("scale", "low", "high"), [("symmetric", -1.0, 1.0), ("unit", 0.0, 1.0)])
def test_floats_have_the_range_of_the_scale(scale, low, high):
    config = AugmentConfig(scale=scale)
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 4, 4, 3)
    view = evaluation_view(images, config)
    assert view.shape == (2, 3, 4, 4) and view.min() == low and view.max() == high
    assert view.is_contiguous(memory_format=torch.channels_last)


def test_output_is_channels_last_and_has_the_crops_size():
    out = Augmenter(AugmentConfig(crop=8))(batch(), generator())
    assert out.shape == (6, 3, 8, 8) and out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("fill", ["edge", "zero"])
def test_crops_equal_slices_of_the_padded_image(fill):
    """The gathered crop against numpy's padding, flip and slice."""
    config = AugmentConfig(flip=True, padding=3, crop=9, rotation_deg=0, fill=fill, scale="unit")
    images, augment = batch(32), Augmenter(config)
    parameters = augment.draw(len(images), 12, 12, generator(3))
    out = augment.apply(images, parameters)
    mode = "edge" if config.fill == "edge" else "constant"
    for k, image in enumerate(images.numpy()):
        image = image[:, ::-1] if parameters.flip[k] else image
        top, left = int(parameters.top[k]), int(parameters.left[k])
        expected = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode=mode)[top : top + 9, left : left + 9] / 255
        assert np.allclose(out[k].permute(1, 2, 0).numpy(), expected, atol=1e-6)
    assert parameters.flip.any() and not parameters.flip.all()


@pytest.mark.parametrize("flip", [False, True])
def test_the_rotating_path_at_angle_zero_equals_the_copying_path(flip):
    still = AugmentConfig(padding=2, crop=10, rotation_deg=0)
    turning = AugmentConfig(padding=2, crop=10, rotation_deg=10)
    images, same = batch(), draw(6, top=3, left=1, flip=flip)
    copied, sampled = Augmenter(still).apply(images, same), Augmenter(turning).apply(images, same)
    assert torch.allclose(copied, sampled, atol=1e-4)


@pytest.mark.parametrize("flip", [False, True])
def test_points_move_with_the_image(flip):
    """A bright dot is found where `move_points` says."""
    size, at = 41, torch.tensor([[26.0, 13.0]])
    image = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    image[0, 12:15, 25:28] = 255
    augment = Augmenter(AugmentConfig(padding=4, rotation_deg=30, scale="unit"))
    parameters = draw(1, top=6, left=1, flip=flip, angle=0.4)
    out = augment.apply(image, parameters)[0, 0].double()
    grid = torch.arange(size).double()
    dot = torch.stack([(out.sum(0) * grid).sum(), (out.sum(1) * grid).sum()]) / out.sum()
    assert torch.allclose(dot, augment.move_points(at, parameters, size, size)[0].double(), atol=0.15)


def test_jitter_scales_brightness_and_contrast():
    augment = Augmenter(AugmentConfig(**STILL, brightness=0.5, contrast=0.5, scale="unit"))
    images = torch.full((1, 4, 4, 3), 100, dtype=torch.uint8)
    images[0, :2] = 50
    parameters = Draw(
        *(torch.zeros(1, dtype=torch.bool), *([torch.zeros(1, dtype=torch.long)] * 2), torch.zeros(1)),
        brightness=torch.tensor([1.2]),
        contrast=torch.tensor([0.5]),
    )
    out = augment.apply(images, parameters)[0, 0] * 255
    # brightness: 60 and 120, mean 90; contrast 0.5: 75 and 105
    assert torch.allclose(out[0], torch.full((4,), 75.0)) and torch.allclose(out[3], torch.full((4,), 105.0))


def test_parameters_differ_between_samples_and_repeat_for_a_seed():
    augment = Augmenter(AugmentConfig(brightness=0.2))
    one, two = (augment.draw(32, 48, 48, generator(5)) for _ in range(2))
    assert torch.equal(one.angle, two.angle) and torch.equal(one.left, two.left)
    assert len(one.angle.unique()) > 16 and len(one.left.unique()) > 4
    limit = 10 * np.pi / 180
    assert one.angle.abs().max() <= limit and one.left.min() >= 0 and one.left.max() <= 8


def test_a_crop_beyond_the_padded_image_is_refused():
    with pytest.raises(ValueError, match="crop"):
        Augmenter(AugmentConfig(crop=32, padding=2))(batch(), generator())


def test_standard_scale_takes_each_image_to_mean_zero_and_deviation_one():
    generator = torch.Generator().manual_seed(1)
    batch = torch.randint(0, 256, (3, 8, 8, 3), generator=generator, dtype=torch.uint8)
    batch[1] = batch[1] // 4 + 30
    batch[2] = 77
    out = evaluation_view(batch, AugmentConfig(scale="standard"))
    assert torch.allclose(out[:2].mean((1, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(out[:2].std((1, 2, 3), correction=0), torch.ones(2), atol=1e-4)
    assert (out[2] == 0).all()
