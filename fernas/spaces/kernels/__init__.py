"""The compiled loops of cells: what they compute, what must stay true, and how to change them.

Layer: part of `spaces`. Supernets (`spaces/supernet/fast.py`) and final networks (`spaces/cells.py`) import this
package, and it imports neither. It knows operations as modules and cells as plans.

What is computed
    A node of a cell is a weighted sum of operations o on earlier states x_j,

        node_i = sum over j < i, o of  w_ijo * f_ij * BN(op_o(x_j)),

    with w = softmax(alpha) in a supernet, one in a final network, and f drop path's factor per image (one without it).
    Nearly every op ends with a convolution, y = conv(relu(x)), and BN(y) = scale * y + shift with per-channel factors
    (`batch_norm`). So a node is one pass over the stored products y_k:

        node = sum_k (w_k scale_k) f_k y_k + sum_k f_k w_k shift_k.

    No normalised, weighted or activated map is ever stored. Conv + BN + ReLU of a first stage is fused the same way:
    the second convolution reads relu(scale * y + shift). The backward pass forms the gradient of each product while it
    is read, dy = a * w * f * g + b * y + d, and the gradient of w_k from the same sums that BatchNorm needs.

    The convolutions of all operations on all edges that leave one state run together, on one padded, activated copy of
    an image that stays in the cache. That is where the speed comes from.

Memory
    Channels in blocks of V = 16 or 8, one vector register per pixel and block: (G, N, B, H, W, V), see `layout`.
    Parameters are copied into the loops' layouts at every forward pass, see `packing`. Maps lie in buffers that later
    steps use again, see `plan.BufferPool`.

Invariants, and what proves them
    * The same function as the plain form: logits, all gradients, running statistics, whole steps, to 1e-9 in float64.
      Supernets: tests/spaces/supernet/test_fast.py. Final networks: tests/spaces/test_cells.py.
    * The same bits for the same number of threads: images are dealt out statically, and the sums of the threads are
      added in their order. Another number of threads rounds differently. Tests in the same two files.
    * Sums over pixels are float64, whatever the maps are.
    * No random numbers are drawn here: drop path's factors come from the caller, in the order of the plain form.
    * A forward pass can be differentiated once, not twice (no second derivative). Two passes may be open at once.
    * Whatever happens to the compiler or the library, the run goes on without it: tests/spaces/kernels/test_library.py.

When they are used
    `is_usable`: on the CPU, in float32 or float64, at widths divisible by 8, in training mode or without gradients,
    when a C++ compiler built the library (`library`). Otherwise the pure path runs, the same function in PyTorch
    operations. It also runs for dropout behind skip connections, partial channels, and cells that output only some of
    their nodes. Cells whose pruned edges repeat a map (a replica) run in plain form.

What may be touched
    `network` (all cells, autograd) calls `forward` and `backward` (one cell), which call `calls` (one function per
    loop, the only place that knows the argument order of cpp/kernels.cpp). `plan` says what runs.
    * A new operation: its convolutions in `packing.stages_of` and `stage_stack`; a new kind of loop only if it ends
      otherwise than by convolution and BatchNorm (as ghost does).
    * The arguments of a loop: change cpp/kernels.cpp and `calls` together, and raise `abi()` and `library.ABI`.
    * The arithmetic of a loop: results change in the last bits, so say so in the changelog. Run
      `pytest tests/spaces` with and without `-m slow` (the branch without AVX-512 is among the slow ones), then
      `python -m benchmarks supernet train_network`, which times it beside the plain form.
"""

from fernas.spaces.kernels.layout import from_blocked
from fernas.spaces.kernels.library import disabled, status
from fernas.spaces.kernels.network import features, is_usable
from fernas.spaces.kernels.plan import CellPlan, Edge, NetPlan, forget_plan, plan_of

__all__ = [
    "CellPlan",
    "Edge",
    "NetPlan",
    "disabled",
    "features",
    "forget_plan",
    "from_blocked",
    "is_usable",
    "plan_of",
    "status",
]
