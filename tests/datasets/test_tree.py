"""One walk over a dataset root, and the order of its frames."""

from hypothesis import given
from hypothesis import strategies as st

from fernas.datasets._tree import Tree, frame_number, order_frames


@given(st.lists(st.from_regex(r"[a-zA-Z_ ]{0,4}[0-9]{1,4}[a-z]?\.(jpg|PNG)(\.jpg)?", fullmatch=True), max_size=12))
def test_frames_are_ordered_by_their_last_number(names):
    numbers, refs, problems = order_frames(list(dict.fromkeys(names)))
    assert numbers == sorted(set(numbers)) and len(numbers) == len(refs)
    assert [frame_number(ref) for ref in refs] == numbers
    assert len(refs) + len(problems) == len(set(names))


def test_links_in_circles_end(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "a/b/file.txt").write_text("x")
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/across").symlink_to(tmp_path / "c")
    (tmp_path / "c/back").symlink_to(tmp_path / "a")
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "nowhere")
    tree = Tree.walk(tmp_path)
    assert "a/b/file.txt" in tree.files and "c/back/b/file.txt" in tree.files and len(tree.files) == 2
    assert any("circle" in p for p in tree.problems) and any("dangling.txt" in p for p in tree.problems)
