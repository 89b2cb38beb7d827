"""No way to run code out of data: a look at the syntax tree of everything that is shipped."""

import ast
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *sorted((ROOT / "fernas").rglob("*.py")),
    *sorted((ROOT / "workflow_scripts").glob("*.py")),
    *sorted((ROOT / "tools").glob("*.py")),
    *sorted((ROOT / "benchmarks").rglob("*.py")),
    *sorted((ROOT / "rules").glob("*.smk")),
    ROOT / "Snakefile",
]
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
FREE_CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
WORKERS = {"Parallel", "delayed"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
UNPACKERS = {"extractall", "unpack_archive"}
SAFE_YAML = {"safe_load", "safe_load_all", "safe_dump", "safe_dump_all"}
PICKLE_READERS = {"read_pickle", "to_pickle"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of attributes, or an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def keyword(call: ast.Call, name: str) -> object:
    """The constant that a call gives for a keyword; `...` where it is absent, None where it is no constant."""
    for entry in call.keywords:
        if entry.arg == name:
            return entry.value.value if isinstance(entry.value, ast.Constant) else None
    return ...


def findings(tree: ast.AST) -> list[str]:
    """What is unsafe in a module, as `line: what`."""
    found: list[str] = []
    allowed_pickle = {
        id(node)
        for handler in ast.walk(tree)
        if isinstance(handler, ast.ExceptHandler) and handler.type is not None
        for node in ast.walk(handler.type)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module == "joblib" and names <= WORKERS:
                continue  # passes values between a job's own processes, reads no file
            if (node.module or "").split(".")[0] in PICKLES:
                found.append(f"{node.lineno}: from {node.module} import")
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
            found += [f"{node.lineno}: import {name}" for name in names if name in PICKLES - {"pickle"}]
        elif isinstance(node, ast.Attribute) and dotted(node).split(".")[0] == "pickle":
            if id(node) not in allowed_pickle:  # naming its error in an except clause reads nothing
                found.append(f"{node.lineno}: {dotted(node)}")
        elif isinstance(node, ast.Call):
            found += [f"{node.lineno}: {what}" for what in unsafe_call(node)]
    return found


def unsafe_call(call: ast.Call) -> list[str]:
    name = dotted(call.func)
    last = name.rsplit(".", 1)[-1]
    found = []
    if name in FREE_CALLS or name in SHELLS or last in UNPACKERS | PICKLE_READERS:
        found.append(name)
    if name == "torch.load" and keyword(call, "weights_only") is not True:
        found.append("torch.load without weights_only=True")
    has_safe_loader = any(dotted(argument) == "yaml.SafeLoader" for argument in call.args)
    if name.startswith("yaml.") and last not in SAFE_YAML and last[:1].islower() and not has_safe_loader:
        found.append(f"{name} without a safe loader")
    if keyword(call, "shell") not in (..., False):
        found.append(f"{name}(shell=...)")
    if keyword(call, "allow_pickle") not in (..., False):
        found.append(f"{name}(allow_pickle=...)")
    if name in ("np.load", "numpy.load") and keyword(call, "allow_pickle") is not False:
        found.append("np.load without allow_pickle=False")
    if last == "Environment" and "jinja2" in name and keyword(call, "autoescape") is not True:
        found.append("a template without autoescape")
    return found


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".py"], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_python_file_can_run_code_out_of_data(path):
    assert findings(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix != ".py"], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_rule_file_can_run_code_out_of_data(path):
    """Rule files are no Python, but made of its tokens; `shell` would hand text to a shell."""
    with open(path, "rb") as file:
        names = {token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME}
    assert not names & (FREE_CALLS | PICKLES | {"shell", "system", "popen", "getoutput", "yaml", "torch"})


@pytest.mark.parametrize(
    "code",
    [
        "import dill",
        "from pickle import load",
        "import pickle\npickle.load(f)",
        "eval(text)",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "yaml.compose(text)",
        "yaml.compose(text, yaml.Loader)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "os.system(command)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "archive.extractall(folder)",
        "shutil.unpack_archive(path)",
        "jinja2.Environment(loader=loader)",
        "try:\n    x()\nexcept ValueError:\n    pickle.loads(b)",
    ],
)
def test_each_unsafe_form_is_found(code):
    assert findings(ast.parse(code)), code


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path, weights_only=True)",
        "yaml.safe_load(text)",
        "yaml.compose(text, yaml.SafeLoader)",
        "np.load(path, allow_pickle=False)",
        "subprocess.run(command, check=True)",
        "import pickle\ntry:\n    x()\nexcept (OSError, pickle.UnpicklingError):\n    pass",
        "model.eval()",
        "re.compile('a')",
    ],
)
def test_safe_forms_pass(code):
    assert findings(ast.parse(code)) == []


def test_every_shipped_file_is_looked_at():
    assert len(FILES) > 120 and sum(p.suffix == ".smk" for p in FILES) >= 6
