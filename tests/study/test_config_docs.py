from pathlib import Path

from pydantic import BaseModel

from fernas.core import config
from fernas.study.config_docs import SECTIONS, config_markdown

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_in_step_with_the_models():
    assert (ROOT / "docs" / "config.md").read_text() == config_markdown(), "run: python -m fernas.study.config_docs"


def test_every_model_has_its_section():
    models = {m for m in vars(config).values() if isinstance(m, type) and issubclass(m, BaseModel)}
    assert models - {BaseModel, config.Strict} == {model for _, model in SECTIONS}
