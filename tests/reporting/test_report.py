"""The page: self-contained, escaped, and at work in a real browser."""

import re
import shutil
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fernas.core.io import append_jsonl, read_npy, write_json, write_parquet, write_text
from fernas.reporting import complexity
from fernas.reporting.complexity import COLUMNS
from fernas.reporting.report import breakable, build_report
from fernas.scoring.scores import score_predictions
from fernas.study import outputs
from tests.fixtures.made_up_results import fabricate, predictions, study_document
from tests.fixtures.pixels import files_with_faces
from tests.reporting.conftest import Tree, fixed_study, ranked_study, report_of, study_of


@pytest.fixture(scope="module")
def html(page: Path) -> str:
    return page.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collects start tags, and complains about tags that are not closed."""

    EMPTY = {"meta", "link", "img", "input", "br", "wbr"}

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


def parsed(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_the_page_asks_nobody_for_anything(html: str) -> None:
    for tag, attributes in parsed(html).found:
        for name in ("src", "href"):
            target = attributes.get(name)
            assert target is None or tag == "a" or target.startswith("data:"), (tag, target)
    assert "default-src 'none'" in html and "@import" not in html


def test_every_image_and_table_is_described(html: str) -> None:
    found = parsed(html).found
    images = [attributes for tag, attributes in found if tag == "img"]
    assert len(images) > 20 and all(attributes.get("alt") for attributes in images)
    ids = [attributes["id"] for _, attributes in found if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for tag, attributes in found:
        if tag == "a" and (attributes.get("href") or "").startswith("#"):
            assert str(attributes["href"])[1:] in ids
    assert {"main", "nav", "header", "footer"} <= {tag for tag, _ in found}


def test_the_page_says_rendered_failed_and_skipped(html: str) -> None:
    text = re.sub(r"\s+", " ", html)
    assert "no statement about real people" in text and "12 of 68 subjects, rendered" in text
    assert "out of memory after the fallback" in text and "datasets.fer2013" in text


def test_the_page_is_the_same_twice(html: str, tree: Tree, tmp_path: Path) -> None:
    again = build_report(tree[0], tree[1], tmp_path)
    assert again.read_text(encoding="utf-8") == html


def test_names_from_data_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    results = tmp_path / "results"
    folder = results / "runs/mug-2-rendered/p/small_cnn/no_data/s0/t0"
    frame = predictions(np.random.default_rng(0), [evil, 'a"b'], [f"{evil}/1", f"{evil}/2"], 0.7)
    write_parquet(folder / "predictions.parquet", frame)
    write_json(folder / "scores.json", score_predictions(frame, [evil, 'a"b']))
    write_json(results / "tasks/mug-2-rendered/p/folds.train.json", {"classes": [evil, 'a"b'], "folds": [{}]})
    write_text(results / "data/mug-rendered/card.md", f"# {evil}\n\n- {evil}\n\n| {evil} |\n|---|\n| x |\n")
    write_json(results / "data/mug-rendered/audit.json", {"problems": [evil], "classes": {evil: 2}})
    study = fixed_study(results, {"mug-2": ["anger", "fear"]}, ["small_cnn"], "p")
    html = report_of(results, study).read_text(encoding="utf-8")
    assert evil not in html and "&lt;script&gt;alert(1)" in html
    parsed(html)


def test_an_empty_results_folder_has_a_page(tmp_path: Path) -> None:
    html = report_of(tmp_path, fixed_study(tmp_path, {}, [])).read_text(encoding="utf-8")
    assert "Nothing has been run yet" in html
    parsed(html)


def test_images_of_real_people_only_by_config(tmp_path: Path) -> None:
    results = tmp_path / "results"
    fabricate(results)
    shutil.rmtree(results / "runs/ckplus-7n-rendered")
    for kind in ("runs", "tasks", "data"):
        for folder in (results / kind).iterdir():
            folder.rename(folder.with_name(folder.name.removesuffix("-rendered")))
    document = study_document()
    document["datasets"] = {name: {"source": "real", "root": "/x"} for name in document["datasets"]}
    closed = report_of(results, study_of(document), tmp_path / "a").read_text()
    assert "What the networks see" not in closed and "no statement about real people" not in closed
    arrays = [read_npy(p)[:3] for name in ("previews.npy", "inputs.npy") for p in sorted(results.rglob(name))]
    assert files_with_faces(results, arrays, [], ("data", "tasks"))[0] == []
    assert files_with_faces(tmp_path / "a", arrays, [], ())[0] == []
    document["tracking"] = {"real_faces": True}
    opened = report_of(results, study_of(document), tmp_path / "b").read_text()
    assert "What the networks see" in opened
    assert files_with_faces(tmp_path / "b", arrays, [], ())[0] != []


def test_half_written_files_do_not_stop_the_page(own_tree: Tree) -> None:
    results, study = own_tree
    folder = results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    (folder / "g0/architecture.json").write_text('{"kind": "cel')
    (folder / "g0/search.jsonl").write_text('{"epoch": 0, "weight_loss": 1}\n{"epo')
    (folder / "g1/cell.svg").write_bytes(b"")
    (folder / "t0/predictions.parquet").write_bytes(b"PAR")
    (folder / "t1/shard0/status.json").write_text("")
    append_jsonl(folder / "t0/shard1/training.jsonl", {"fold": 1, "epoch": 9, "loss": None})
    assert report_of(results, study).is_file()


def test_what_complexity_measured_is_in_the_page(own_tree: Tree) -> None:
    results, study = own_tree
    assert 'id="complexity"' not in report_of(results, study).read_text(encoding="utf-8")
    row = dict.fromkeys(COLUMNS, 1.5) | {
        "task": "ckplus-7n", "protocol": "kfold4", "method": "emonas", "search_scope": "per_group", "networks": 2,
        "params": 43491, "macs": 4.0e6, "input": "3x48x48", "device": "some processor", "threads": 1, "note": None,
        "rendered": True, "search_peak_mib": None,
    }  # fmt: skip
    pd.DataFrame([row]).to_csv(results / "tables/complexity.csv", index=False)
    page = report_of(results, study).read_text(encoding="utf-8")
    section = page[page.index('id="complexity"') : page.index('id="data"')]
    assert "43.5k" in section and "3x48x48 on some processor, 1 thread" in section and "ckplus" in section
    assert section.count("<td") == len([c for c in complexity.TABLE if "html" in c.forms]) - 1


def test_every_finished_method_has_its_confusion_matrix(html: str) -> None:
    for method in ("emonas", "random", "random_mean", "small_cnn"):
        assert f"Confusion matrix of {method}." in html


def test_names_may_break() -> None:
    assert breakable("a_b<c") == "a_<wbr>b&lt;c"


def test_many_tasks_are_a_folder_of_pages_and_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MAX_TASKS_OF_ONE_PAGE", 2)
    study, _ = ranked_study(tmp_path, 3)
    index = report_of(tmp_path, study)
    names = {path.name for path in index.parent.iterdir()}
    assert names == {"index.html", "ckplus-7-kfold4.html", "disfa-7-kfold4.html", "jaffe-7-kfold4.html", "report.zip"}
    for name in names - {"report.zip"}:
        links = re.findall(r'href="([^"#]*)(#[\w-]*)?"', (index.parent / name).read_text(encoding="utf-8"))
        for file, place in links:
            if file.startswith("data:"):
                continue
            assert (file or name) in names
            if place:
                assert f'id="{place[1:]}"' in (index.parent / (file or name)).read_text(encoding="utf-8")
    task = (index.parent / "disfa-7-kfold4.html").read_text(encoding="utf-8")
    assert "Confusion matrix of strong" in task and 'id="provenance"' not in task
    assert "Confusion matrix" not in index.read_text(encoding="utf-8")
    with zipfile.ZipFile(index.with_name("report.zip")) as archive:
        assert set(archive.namelist()) == {f"report/{name}" for name in names - {"report.zip"}}


# ------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium with chromedriver on this machine (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


def show(browser: Any, page: Path, width: int, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    browser.get(page.as_uri())


def column(browser: Any, table: str, index: int) -> list[str]:
    script = "return Array.from(document.getElementById(arguments[0]).tBodies[0].rows).filter(r => !r.hidden)"
    script += ".map(r => (r.cells[arguments[1]] || {textContent: ''}).textContent.trim())"
    return list(browser.execute_script(script, table, index))


TABLE = "ckplus-7n-kfold4-table"


@pytest.mark.browser
def test_no_errors_and_no_requests(browser: Any, page: Path) -> None:
    show(browser, page, 1280)
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    broken = (
        "return Array.from(document.images).filter(i => (i.loading = 'eager', i.complete) && !i.naturalWidth).length"
    )
    assert browser.execute_script(broken) == 0


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_overflows(browser: Any, page: Path, width: int) -> None:
    show(browser, page, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    script = """
      return Array.from(document.querySelectorAll('body *')).filter(function (e) {
        return !e.closest('.scroll, .pan, pre, .skip-link') && e.getBoundingClientRect().right > arguments[0] + 1;
      }.bind(null)).map(e => e.outerHTML.slice(0, 120));
    """.replace("arguments[0]", str(width))
    assert browser.execute_script(script) == []


@pytest.mark.browser
def test_sorting_by_keyboard(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, page, 1280)
    start = column(browser, TABLE, 0)
    assert start[0].startswith("emonas") and start[-1].startswith("vgg16")
    heading = browser.find_elements("css selector", f"#{TABLE} thead th")
    button = heading[1].find_element("css selector", "button")
    button.send_keys(Keys.ENTER)
    assert heading[1].get_attribute("aria-sort") == "ascending"
    rows = column(browser, TABLE, 1)
    values = [float(text.split()[0]) for text in rows[:-1]]
    assert values == sorted(values) and "failed" in rows[-1]
    button.send_keys(Keys.SPACE)
    assert heading[1].get_attribute("aria-sort") == "descending"
    first = heading[0].find_element("css selector", "button")
    first.send_keys(Keys.ENTER)
    names = column(browser, TABLE, 0)
    assert heading[0].get_attribute("aria-sort") == "ascending" and heading[1].get_attribute("aria-sort") == "none"
    assert names == sorted(names)


@pytest.mark.browser
def test_filtering(browser: Any, page: Path) -> None:
    show(browser, page, 1280)
    field = browser.find_element("css selector", f"#{TABLE}-filter")
    field.send_keys("random mean")
    assert [name[:11] for name in column(browser, TABLE, 0)] == ["random_mean"]
    assert "1 of" in browser.find_element("css selector", f"#{TABLE}-count").text
    field.clear()
    field.send_keys("FAILED")
    assert [name[:5] for name in column(browser, TABLE, 0)] == ["vgg16"]


@pytest.mark.browser
def test_pairs_sort_by_p_and_filter(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, page, 1280)
    table = "ckplus-7n-kfold4-pairs"
    heading = browser.find_elements("css selector", f"#{table} thead th")[4]
    assert heading.text.startswith("p Holm")
    button = heading.find_element("css selector", "button")
    button.send_keys(Keys.ENTER)
    button.send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") == "ascending"
    values = [float(text) for text in column(browser, table, 4)]
    assert len(values) == 6 and values == sorted(values)
    browser.find_element("css selector", f"#{table}-filter").send_keys("small_cnn emonas")
    assert len(column(browser, table, 0)) == 1


READABLE = """
  const light = c => c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  function behind(element) {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  }
  document.querySelectorAll('details').forEach(d => d.open = true);
  const all = selector => Array.from(document.querySelectorAll(selector)).filter(e => e.offsetParent);
  const told = all('body *').filter(e => Array.from(e.childNodes).some(n => n.nodeType === 3 && n.textContent.trim()));
  const pale = told.filter(function (e) {
    const pair = [rgb(getComputedStyle(e).color).slice(0, 3), behind(e)].map(light).sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05) < 4.5;
  });
  const levels = all('h1, h2, h3, h4, h5, h6').map(h => Number(h.tagName[1]));
  return {
    texts: told.length,
    pale: pale.map(e => e.outerHTML.slice(0, 90)),
    jumps: levels.filter((level, i) => i && level > levels[i - 1] + 1),
    unnamed: all('input').filter(i => !i.labels.length).length,
    captionless: all('table').filter(t => !t.caption && !t.closest('.card')).length,
    headless: all('tbody tr').filter(r => !r.closest('.card') && !r.querySelector('th[scope=row]')).length,
    small: all('thead button').filter(b => b.getBoundingClientRect().height < 24).length,
  };
"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast_and_tables_names(browser: Any, page: Path, scheme: str) -> None:
    show(browser, page, 1280, scheme)
    found = browser.execute_script(READABLE)
    assert found.pop("texts") > 500
    assert found == {"pale": [], "jumps": [], "unnamed": 0, "captionless": 0, "headless": 0, "small": 0}


@pytest.mark.browser
def test_dark_scheme_is_dark(browser: Any, page: Path) -> None:
    brightness = {}
    for scheme in ("light", "dark"):
        show(browser, page, 1280, scheme)
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        brightness[scheme] = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
    assert brightness["dark"] < 150 < 600 < brightness["light"]
