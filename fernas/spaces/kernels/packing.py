"""Parameters in the layouts of the loops: one stack for each convolution that several edges of a cell have.

A stack copies the weights of its modules at the beginning of every forward pass, so that optimisers and state
dictionaries only ever see the modules' own parameters. After a backward pass it holds their gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.spaces.operations import FactorizedReduce

DEPTH_POINT, FULL, REDUCE = 0, 1, 2  # as in conv.h
Op = tuple[int, int, int]  # type, kernel size, dilation


class ConvStack:
    """A depthwise convolution followed by a 1x1 convolution, at all E edges that have it; base of the other kinds.

    Attributes:
        depth: (E, B, k*k, V) depthwise weights, or None.
        point, point_t: (E, taps, C_in, C_out) and (E, taps, C_out, C_in).
        gamma, beta: (E, C_out) float64 of an affine BatchNorm, else None.
        d_depth, d_point, d_gamma, d_beta: gradients in the same layouts.
    """

    depth: Tensor | None
    point: Tensor
    point_t: Tensor
    d_depth: Tensor | None
    d_point: Tensor

    def __init__(self, op: Op, convolutions: list[list[nn.Conv2d]], bns: list[nn.BatchNorm2d]) -> None:
        self.op, self.convolutions, self.bns = op, convolutions, bns
        self.is_affine = bns[0].affine
        self.gamma: Tensor | None = None
        self.beta: Tensor | None = None
        self.d_gamma: Tensor | None = None
        self.d_beta: Tensor | None = None

    @property
    def width(self) -> int:
        """Number of real output channels (packed arrays may hold more)."""
        return self.bns[0].num_features

    def parameters(self) -> list[nn.Parameter]:
        """The modules' parameters, in the order of `gradients`."""
        parameters = [conv.weight for row in self.convolutions for conv in row]
        if self.is_affine:
            parameters += [bn.weight for bn in self.bns] + [bn.bias for bn in self.bns]
        return parameters

    def pack(self, v: int) -> None:
        """Copies the parameters into the layouts of the loops (blocks of v channels)."""
        self.pack_convolutions([torch.stack([conv.weight.detach() for conv in row]) for row in self.convolutions], v)
        if self.is_affine:
            padding = (0, self.point.shape[-1] - self.width)
            self.gamma, self.beta = (
                F.pad(torch.stack([getattr(bn, name).detach() for bn in self.bns]).double(), padding)
                for name in ("weight", "bias")
            )

    def pack_convolutions(self, weights: list[Tensor], v: int) -> None:
        """Takes depthwise (E, C, 1, k, k) and pointwise (E, C, C, 1, 1) weights."""
        e, c, _, k, _ = weights[0].shape
        self.depth = weights[0].view(e, c // v, v, k * k).transpose(2, 3).contiguous()
        self.point_t = weights[1].view(e, 1, c, c)
        self.point = self.point_t.transpose(2, 3).contiguous()

    def allocate_gradients(self) -> None:
        """Makes room for gradients. The loops write every value of the convolutions', so these need no zeros."""
        self.d_depth = None if self.depth is None else torch.empty_like(self.depth)
        self.d_point = torch.empty_like(self.point)
        if self.is_affine:
            assert self.gamma is not None
            self.d_gamma, self.d_beta = torch.zeros_like(self.gamma), torch.zeros_like(self.gamma)

    def set_affine_gradients(self, index: int, d_gamma: Tensor, d_beta: Tensor) -> None:
        """Stores the gradients (C,) of gamma and beta of the member `index`; nothing without affine parameters."""
        if self.d_gamma is not None and self.d_beta is not None:
            self.d_gamma[index], self.d_beta[index] = d_gamma, d_beta

    def gradients(self) -> list[Tensor]:
        """Gradients in the order of `parameters()`."""
        stacked = self.convolution_gradients()
        if self.is_affine:
            assert self.d_gamma is not None and self.d_beta is not None
            stacked += [d[:, : self.width].to(self.point.dtype) for d in (self.d_gamma, self.d_beta)]
        return [gradient for tensor in stacked for gradient in tensor.unbind(0)]

    def convolution_gradients(self) -> list[Tensor]:
        """Gradients in the shapes that `pack_convolutions` takes."""
        assert self.d_depth is not None
        e, b, _, v = self.d_depth.shape
        k = self.op[1]
        depth = self.d_depth.transpose(2, 3).reshape(e, b * v, 1, k, k)
        return [depth, self.d_point[:, 0].transpose(1, 2).contiguous()[..., None, None]]


class FullStack(ConvStack):
    """A k x k convolution."""

    def pack_convolutions(self, weights: list[Tensor], v: int) -> None:
        """Takes (E, C_out, C_in, k, k)."""
        w = weights[0].flatten(3)  # (E, C_out, C_in, taps)
        self.depth = None
        self.point, self.point_t = w.permute(0, 3, 2, 1).contiguous(), w.permute(0, 3, 1, 2).contiguous()

    def convolution_gradients(self) -> list[Tensor]:
        """(E, C_out, C_in, k, k)."""
        e, _, c_in, c_out = self.d_point.shape
        k = self.op[1]
        return [self.d_point.permute(0, 3, 2, 1).reshape(e, c_out, c_in, k, k)]


class ReduceStack(ConvStack):
    """The two sub-sampled 1x1 convolutions of a FactorizedReduce, as two taps with zeros in the other one's half."""

    def pack_convolutions(self, weights: list[Tensor], v: int) -> None:
        """Takes twice (E, C / 2, C_in, 1, 1)."""
        first, second = (w.flatten(2) for w in weights)
        e, half, c_in = first.shape
        self.depth, self.half = None, half
        self.point_t = first.new_zeros(e, 2, half + second.shape[1], c_in)
        self.point_t[:, 0, :half], self.point_t[:, 1, half:] = first, second
        self.point = self.point_t.transpose(2, 3).contiguous()

    def convolution_gradients(self) -> list[Tensor]:
        """Twice (E, C / 2, C_in, 1, 1); what the loops write for the zeros is left out."""
        halves = (self.d_point[:, 0, :, : self.half], self.d_point[:, 1, :, self.half :])
        return [half.transpose(1, 2).contiguous()[..., None, None] for half in halves]


class GhostPrimaryStack(ConvStack):
    """The 1x1 convolution of the ghost operation; its outputs are padded with zero channels to whole blocks."""

    def pack_convolutions(self, weights: list[Tensor], v: int) -> None:
        """Takes (E, half, C, 1, 1)."""
        w = weights[0].flatten(2)
        self.depth = None
        self.point_t = F.pad(w, (0, 0, 0, -w.shape[1] % v)).unsqueeze(1)
        self.point = self.point_t.transpose(2, 3).contiguous()

    def convolution_gradients(self) -> list[Tensor]:
        """(E, half, C, 1, 1)."""
        return [self.d_point[:, 0, :, : self.width].transpose(1, 2).contiguous()[..., None, None]]


class GhostCheapStack(ConvStack):
    """The 3x3 depthwise convolution of the ghost operation, run as one followed by the identity."""

    def pack_convolutions(self, weights: list[Tensor], v: int) -> None:
        """Takes (E, half, 1, 3, 3)."""
        w = weights[0].flatten(2)
        w = F.pad(w, (0, 0, 0, -w.shape[1] % v))
        e, c, _ = w.shape
        self.depth = w.view(e, -1, v, 9).transpose(2, 3).contiguous()
        self.point = self.point_t = torch.eye(c, dtype=w.dtype).expand(e, 1, -1, -1)

    def convolution_gradients(self) -> list[Tensor]:
        """(E, half, 1, 3, 3)."""
        assert self.d_depth is not None
        g = self.d_depth.transpose(2, 3).flatten(1, 2)[:, : self.width]
        return [g.reshape(g.shape[0], self.width, 1, 3, 3)]


@dataclass(frozen=True)
class StackMember:
    """One convolution of a stack."""

    stack: ConvStack
    index: int

    @property
    def bn(self) -> nn.BatchNorm2d:
        """The BatchNorm behind it."""
        return self.stack.bns[self.index]

    def array(self, name: str) -> Tensor | None:
        """Its slice of the stack's array `name`, or None where the stack has none."""
        array: Tensor | None = getattr(self.stack, name)
        return None if array is None else array[self.index]


def affine_parameters(members: Sequence[StackMember]) -> tuple[Tensor, Tensor] | None:
    """Gamma and beta (K, C) of the BatchNorms behind K convolutions, or None where they have none."""
    if not members or not members[0].stack.is_affine:
        return None
    gammas, betas = ([m.array(name) for m in members] for name in ("gamma", "beta"))
    return torch.stack(gammas), torch.stack(betas)  # type: ignore[arg-type]


def entry_stack(module: nn.Module) -> ConvStack:
    """The stack of the convolution in front of a cell: a 1x1 convolution or a FactorizedReduce."""
    if isinstance(module, FactorizedReduce):
        return ReduceStack((REDUCE, 1, 1), [[module.conv_1], [module.conv_2]], [module.bn])
    return FullStack((FULL, 1, 1), [[module.conv]], [module.bn])


def stages_of(operation: str) -> list[str]:
    """The names of an operation's convolutions: two one after the other for `sep_conv_*` and `ghost`."""
    if operation.startswith("sep_conv") or operation == "ghost":
        return [operation + "_1", operation + "_2"]
    return [operation]


def stage_stack(stage: str, modules: list[nn.Module]) -> ConvStack:
    """The stack of one stage of an operation, from the operation's modules at all edges that have it."""
    operations: list = modules
    if stage.startswith("sep_conv"):
        name, _, number = stage.rpartition("_")
        return _depth_stack(int(name[-1]), 1, [m.first if number == "1" else m.second for m in operations])
    if stage.startswith("dil_conv"):
        return _depth_stack(int(stage[-1]), 2, operations)
    if stage.startswith("conv_"):
        return FullStack((FULL, int(stage[-1]), 1), [[m.conv for m in operations]], [m.bn for m in operations])
    if stage == "skip_connect":  # with stride 2; the identity is no convolution
        convolutions = [[m.conv_1 for m in operations], [m.conv_2 for m in operations]]
        return ReduceStack((REDUCE, 1, 1), convolutions, [m.bn for m in operations])
    if stage == "ghost_1":
        return GhostPrimaryStack((FULL, 1, 1), [[m.primary for m in operations]], [m.bn_1 for m in operations])
    if stage == "ghost_2":
        return GhostCheapStack((DEPTH_POINT, 3, 1), [[m.cheap for m in operations]], [m.bn_2 for m in operations])
    raise AssertionError(f"operation {stage!r} has no compiled form")


def _depth_stack(kernel: int, dilation: int, modules: list) -> ConvStack:
    convolutions = [[m.depth for m in modules], [m.point for m in modules]]
    return ConvStack((DEPTH_POINT, kernel, dilation), convolutions, [m.bn for m in modules])
