"""docs/config.md, written from the config models so that it cannot drift from them."""

from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from fernas.core import config, plugins

SECTIONS: list[tuple[str, type[BaseModel]]] = [
    ("the study", config.StudyConfig), ("tracking", config.TrackingConfig), ("scoring", config.ScoringConfig),
    ("checkpoint", config.CheckpointConfig), ("faces", config.FacesConfig), ("audit", config.AuditConfig),
    ("datasets.&lt;name&gt;", config.DatasetConfig), ("views.&lt;name&gt;", config.ViewConfig),
    ("tasks.&lt;name&gt;", config.TaskConfig), ("tasks.&lt;name&gt;.frames", config.FrameRule),
    ("protocols.&lt;name&gt;", config.ProtocolConfig), ("protocols.&lt;name&gt;.parts", config.PartsConfig),
    ("methods.&lt;name&gt;", config.MethodConfig), ("methods.&lt;name&gt;.network", config.NetworkConfig),
    ("methods.&lt;name&gt;.init_from", config.InitFrom), ("study[]", config.StudyEntry), ("final[]", config.FinalEntry),
]  # fmt: skip
HEAD = """# Every key of config.yaml

Written by `python -m fernas.study.config_docs` from the models in `fernas/core/config.py`; a test keeps it in step.
Options of plug-ins (`search_options`, `recipe_options`, `options`, `rendered`) are the fields of the plug-in's `Config`
in its own file; an unknown key is an error that names the nearest known one.
"""


def config_markdown() -> str:
    """The whole page."""
    return HEAD + "".join(_section(title, model) for title, model in [*SECTIONS, *view_sections()])


def view_sections() -> list[tuple[str, type[BaseModel]]]:
    """The options of each kind of view, the keys next to `kind`, and the models inside them."""
    sections: list[tuple[str, type[BaseModel]]] = []
    for kind in plugins.available("views"):
        model = plugins.load("views", kind).Config
        sections.append((f"views.&lt;name&gt; of kind {kind}", model))
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                sections.append((f"views.&lt;name&gt;.{name} of kind {kind}", field.annotation))
    return sections


def _section(title: str, model: type[BaseModel]) -> str:
    rows = [f"\n## {title}\n\n{model.__doc__}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"]
    for name, field in model.model_fields.items():
        default = "(required)" if field.is_required() else _default(field.get_default(call_default_factory=True))
        rows.append(f"| `{name}` | {_type(field.annotation)} | {default} | {field.description or ''} |\n")
    return "".join(rows)


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "(required)"
    if isinstance(value, BaseModel):
        return "see below"
    if value is None:
        return "none"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _type(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    text = text.replace("typing.", "").replace("fernas.core.config.", "").replace("NoneType", "none")
    # a bar would end the cell of the markdown table
    return text.replace("|", "or").replace("Literal", "one of ").replace("'", "")


if __name__ == "__main__":
    from fernas.core.io import write_text

    write_text("docs/config.md", config_markdown())
