"""Training that starts from weights in a file: fixed networks pretrained on other images, named in the tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.errors import ConfigError, ContractError
from fernas.core.io import sha256_file
from fernas.training.context import RecipePlugin, TrainContext
from fernas.training.plain import PlainConfig, fit_fold

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fernas.learn.fit import Fitted
    from fernas.training._shard import FoldRun


class PretrainedConfig(PlainConfig):
    """As `plain`, and where the weights come from. Nothing is ever downloaded."""

    weights: str = Field(
        min_length=1, description="file of weights: .safetensors, or what torch.save wrote of a state dictionary"
    )
    trained_on: str = Field(min_length=1, description="what they were trained on; the tables show it as extra data")
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="what the file must be; a change of it reruns the training"
    )


def run(context: TrainContext) -> dict[str, Any]:
    """Train all folds of the shard, each from the same weights."""
    from fernas.training._shard import train_shard

    options: PretrainedConfig = context.options
    weights = read_weights(Path(options.weights), options.sha256)

    def fit_from_weights(fold: "FoldRun") -> "Fitted":
        fresh = load_pretrained(fold.net, weights, options.weights)
        # a fold that continues has this row in its history
        if fold.resume is None:
            start = {"kind": "start", "trained_on": options.trained_on, "fresh": fresh}
            fold.history.add({"fold": fold.task.fold, **start})
        return fit_fold(fold)

    return train_shard(context, fit_from_weights)


def read_weights(path: Path, sha256: str | None) -> "dict[str, Tensor]":
    """The tensors of a file of weights, by parameter name.

    Raises:
        ConfigError: there is no such file, or it is another one than the configuration says.
        ContractError: it does not hold a state dictionary.
    """
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise ConfigError(f"recipe_options.weights: {path}: no such file")
    if sha256 is not None and (digest := sha256_file(path)) != sha256:
        raise ConfigError(f"recipe_options.weights: {path} has sha256 {digest}, expected {sha256}")
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a file that is none of its own
        raise ContractError(f"{path}: can't be read as weights ({str(error).splitlines()[0]:.120})") from error
    if isinstance(document, dict) and isinstance(document.get("state_dict"), dict):
        document = document["state_dict"]
    if not isinstance(document, dict) or not all(isinstance(v, torch.Tensor) for v in document.values()):
        raise ContractError(f"{path}: expected a state dictionary (names to tensors), got {type(document).__name__}")
    # `module.` is the prefix of networks that were trained with DataParallel
    return {str(name).removeprefix("module."): tensor for name, tensor in document.items()}


def load_pretrained(net: "nn.Module", weights: "dict[str, Tensor]", where: str) -> list[str]:
    """Load weights into a network; returns the names of those that start afresh: the last layer, for other classes.

    Raises:
        ContractError: another tensor is absent or has another shape: these are weights of another network.
    """
    from torch import nn

    inner = net.net if isinstance(getattr(net, "net", None), nn.Module) else net  # behind an enlargement
    last = [name for name, module in inner.named_modules() if isinstance(module, nn.Linear)][-1]
    fresh: list[str] = []
    loaded: dict[str, Any] = {}
    for name, value in inner.state_dict().items():
        stored = weights.get(name)
        if stored is not None and stored.shape == value.shape:
            loaded[name] = stored.to(value.dtype)
        elif name.rpartition(".")[0] == last:
            fresh.append(name)
        elif not name.endswith("num_batches_tracked"):  # a counter that files of old torch versions lack
            got = "nothing" if stored is None else str(tuple(stored.shape))
            raise ContractError(
                f"{where}: {name}: expected {tuple(value.shape)}, got {got}; weights of another network?"
            )
    inner.load_state_dict(loaded, strict=False)
    return fresh


PLUGIN = RecipePlugin("pretrained", "from weights of a file", PretrainedConfig, run)
