"""Code digests and run keys: what makes a finished stage run again, and nothing else."""

import ast
import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fernas.core.io import canonical_json, sha256_file

PACKAGE = Path(__file__).resolve().parent.parent
# Left out of digests: they cannot change a result (config values arrive through params).
NEUTRAL = {"fernas.core.errors", "fernas.core.log", "fernas.core.progress", "fernas.core.config", "fernas.core.run_log"}
NEUTRAL_PACKAGES = ("fernas.study.", "fernas.workflow.")


def _is_neutral(module: str) -> bool:
    # with a dot at the end, so that a whole name matches and no longer one that begins alike
    return module in NEUTRAL or f"{module}.".startswith(NEUTRAL_PACKAGES)


def _module_path(module: str) -> Path | None:
    base = PACKAGE.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


class _Strip(ast.NodeTransformer):
    """Removes docstrings and annotations: what they say cannot change a result."""

    def _body(self, node: Any) -> Any:
        self.generic_visit(node)
        body = node.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            if isinstance(body[0].value.value, str):
                node.body = body[1:] or [ast.Pass()]
        return node

    visit_Module = visit_ClassDef = _body  # noqa: N815 - names of ast.NodeVisitor

    def visit_FunctionDef(self, node: Any) -> Any:  # noqa: N802
        node.returns = None
        return self._body(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node


@functools.cache
def _own_digest(path: Path) -> str:
    tree = _Strip().visit(ast.parse(path.read_text(encoding="utf-8")))
    return hashlib.sha256(ast.dump(tree, annotate_fields=False, include_attributes=False).encode()).hexdigest()


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    """The fernas modules that a file imports anywhere (inside functions too, not under TYPE_CHECKING)."""
    modules: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _walk_runtime(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names if alias.name.startswith("fernas"))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fernas"):
            for alias in node.names:
                child = f"{node.module}.{alias.name}"
                # `from package import module` reaches the module, `from module import name` the one before `import`
                modules.add(child if _module_path(child) else node.module)
    return tuple(sorted(modules))


def _walk_runtime(tree: ast.AST) -> Iterable[ast.AST]:
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            stack.extend(node.orelse)
            continue
        yield node
        stack.extend(ast.iter_child_nodes(node))


def closure(*modules: str) -> tuple[str, ...]:
    """All fernas modules that the given ones reach by imports, without the neutral ones, sorted."""
    seen: set[str] = set()
    stack = list(modules)
    while stack:
        module = stack.pop()
        path = _module_path(module)
        if module in seen or _is_neutral(module) or path is None:
            continue
        seen.add(module)
        stack.extend(_imports(path))
    return tuple(sorted(seen))


def _package_data(module: str) -> list[Path]:
    """Data that a module computes with: what is in `data` or `cpp` of its folder, or beside it with its name."""
    path = _module_path(module)
    if path is None:
        return []
    beside = [path.with_suffix(suffix) for suffix in (".cpp", ".h", ".csv", ".json")]
    folders = [path.parent / name for name in ("data", "cpp")] if path.name != "__init__.py" else []
    inside = [p for folder in folders for p in sorted(folder.glob("*"))]
    return [p for p in beside + inside if p.is_file()]


@functools.cache
def code_digest(*modules: str, script: Path | None = None) -> str:
    """16 hex digits over the syntax trees of the modules and all they import, comments and docstrings aside.

    Args:
        modules: dotted names.
        script: a file whose own code and imports count as well.
    """
    digest = hashlib.sha256()
    if script is not None:
        digest.update(f"{script.name}:{_own_digest(script)}\n".encode())
        modules = (*modules, *_imports(script))
    for module in closure(*modules):
        path = _module_path(module)
        assert path is not None  # noqa: S101 - `closure` keeps only modules with a file
        digest.update(f"{module}:{_own_digest(path)}\n".encode())
        for data in _package_data(module):
            digest.update(f"{data.name}:{hashlib.sha256(data.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def recorded_digest(params: Iterable[str] | None) -> str | None:
    """The code digest among the params that Snakemake has recorded (their `repr`); None where there is none."""
    return next((value[1:-1] for value in params or () if re.fullmatch("'[0-9a-f]{16}'", value)), None)


def run_key(stage: str, wildcards: dict[str, str], config: Any, inputs: dict[str, str], code: str) -> str:
    """First 16 hex of sha256 over the canonical json of what determines a job's result.

    Args:
        stage: name of the rule.
        wildcards: its wildcards.
        config: its own config section.
        inputs: name -> content digest of each input.
        code: the code digest of the modules that it uses.
    """
    document = {"stage": stage, "wildcards": wildcards, "config": config, "inputs": inputs, "code": code}
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()[:16]


def combine_digests(paths: Iterable[str]) -> str:
    """One digest over the contents of several files in the given order."""
    return hashlib.sha256("".join(sha256_file(path) for path in paths).encode()).hexdigest()
