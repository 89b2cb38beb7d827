"""The layers of the package: imports point downwards, packages declare themselves, some libraries have one home."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "fernas"
# Who may import whom: a partial order (package -> packages that it may import), as each `__init__` declares it.
PLUGINS = {"metrics", "protocols", "datasets", "faces", "spaces", "synth"}  # none of them imports another of them
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    **{name: {"core"} for name in PLUGINS},
    "views": {"core", "faces"},
    "learn": {"core", "spaces", "metrics"},
    "search": {"core", "spaces", "metrics", "learn"},
    "training": {"core", "spaces", "metrics", "learn"},
    "scoring": {"core", "metrics"},
    "study": {"core"},
    "workflow": {"core", "study"},
    "reporting": {"core", "metrics", "spaces", "learn", "scoring", "study"},
    "tracking": {"core", "metrics", "study", "reporting"},
    "deploy": {"core", "metrics", "datasets", "faces", "spaces", "views", "learn", "training"},
}
EVERYTHING = {"cli", "api"}  # import all
HOMES = {
    "mlflow": {"fernas.tracking._mlflow"},
    "dlib": {"fernas.faces._dlib"},
    "matplotlib": {"fernas.reporting.figures"},
}
CV2_HOMES = (
    "fernas.core.images",
    "fernas.datasets.containers",
    "fernas.deploy.camera",
    "fernas.deploy.predict",
    "fernas.faces",
    "fernas.synth",
    "fernas.views",
)
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def walk(tree: ast.AST, types_too: bool):
    """All nodes; without those that only a type checker sees unless `types_too`."""
    for node in ast.iter_child_nodes(tree):
        if not types_too and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from walk(node, types_too)


def imports_of(path: Path, types_too: bool = True) -> list[tuple[str, int]]:
    found = []
    for node in walk(ast.parse(path.read_text(encoding="utf-8")), types_too):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                child = f"{node.module}.{alias.name}"
                found.append((child if child in MODULES else node.module or "", node.lineno))
    return found


MODULES = {module_of(path) for path in FILES}


def layer_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def test_every_package_declares_its_layer():
    packages = {p.name for p in ROOT.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    declared = set(MAY_IMPORT) | EVERYTHING
    assert packages <= declared, f"packages without a layer: {sorted(packages - declared)}"
    for package in packages:
        assert ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())), f"{package}: no docstring"


@pytest.mark.parametrize("path", FILES, ids=lambda p: module_of(p))
def test_imports_point_downwards(path: Path):
    own = layer_of(module_of(path))
    if own is None or own in EVERYTHING:
        return
    for target, line in imports_of(path):
        other = layer_of(target) if target.startswith("fernas") else None
        if other is None or other == own:
            continue
        assert other in MAY_IMPORT[own], (
            f"{path}:{line}: {own} imports {target}; it may import {sorted(MAY_IMPORT[own])}"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda p: module_of(p))
def test_libraries_are_imported_at_home(path: Path):
    module = module_of(path)
    for target, line in imports_of(path):
        top = target.split(".")[0]
        if top in HOMES:
            assert module in HOMES[top], f"{path}:{line}: {top} belongs into {sorted(HOMES[top])}"
        if top == "cv2":
            assert module.startswith(CV2_HOMES), f"{path}:{line}: cv2 belongs into {CV2_HOMES}"


def is_engine(target: str, module: str) -> bool:
    """Whether a search plug-in imports its engine: it does so when it runs, and the engine imports its options."""
    package, _, name = module.rpartition(".")
    return package == "fernas.search" and target == f"fernas.search._{name.removesuffix('_first')}"


def test_no_circles():
    graph = {
        module_of(p): {
            t for t, _ in imports_of(p, types_too=False) if t.startswith("fernas.") and not is_engine(t, module_of(p))
        }
        for p in FILES
        if layer_of(module_of(p))
    }
    state: dict[str, int] = {}

    def visit(module: str, trail: list[str]) -> None:
        if state.get(module) == 2 or module not in graph:
            return
        assert state.get(module) != 1, f"circle of imports: {' -> '.join([*trail, module])}"
        state[module] = 1
        for target in sorted(graph[module]):
            visit(target, [*trail, module])
        state[module] = 2

    for module in graph:
        visit(module, [])


UNSAFE = {"eval", "exec", "__import__"}


@pytest.mark.parametrize("path", FILES + sorted((ROOT.parent / "workflow_scripts").glob("*.py")), ids=lambda p: p.name)
def test_nothing_loads_code_from_data(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        where = f"{path}:{node.lineno}: {name}"
        assert name not in UNSAFE, where
        assert not name.startswith(("pickle.load", "joblib.load", "yaml.load", "yaml.unsafe_load", "marshal.")), where
        if name == "torch.load":
            assert keywords.get("weights_only") == "True", f"{where} without weights_only=True"
        if name in ("np.load", "numpy.load"):
            assert keywords.get("allow_pickle") == "False", f"{where} without allow_pickle=False"
