"""Convolutions on channels_last maps give PyTorch's results and gradients."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fernas.spaces.convolutions import Depthwise, DepthwiseConv2d, PointConv2d, depthwise


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 4), (2, 3)])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_gradients_equal_pytorchs(size, kernel, dilation):
    x = torch.randn(3, 4, *size, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    ours = Depthwise.apply(x, weight, dilation)
    theirs = F.conv2d(x, weight, None, 1, dilation * (kernel // 2), dilation, 4)
    g = torch.randn_like(ours)
    assert torch.equal(ours, theirs)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight), g), torch.autograd.grad(theirs, (x, weight), g), strict=True
    ):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_it_serves_channels_last_only():
    x = torch.randn(2, 4, 8, 8)
    conv = DepthwiseConv2d(4, 5, 1, 2)
    assert "DepthwiseBackward" not in str(conv(x).grad_fn)
    assert "DepthwiseBackward" in str(conv(x.contiguous(memory_format=torch.channels_last)).grad_fn)
    assert depthwise(x, conv.weight, 2, 2).shape == (2, 4, 4, 4)


@pytest.mark.parametrize("stride", [1, 2])
def test_point_convolutions_equal_pytorchs(stride):
    conv = PointConv2d(5, 6, stride).double()
    x = torch.randn(2, 5, 7, 8, dtype=torch.float64)
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.allclose(conv(last), conv(x), rtol=1e-13, atol=1e-13)
    assert conv(last).is_contiguous(memory_format=torch.channels_last)
    g = torch.randn_like(conv(x))
    ours, theirs = (torch.autograd.grad(conv(v), conv.weight, g)[0] for v in (last, x))
    assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)
