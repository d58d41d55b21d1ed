"""A reader sees the old file or the whole new one."""

import pytest

from wsol_mm.io import atomic_write


def test_replaces_the_old_file_and_leaves_nothing_behind(tmp_path):
    target = tmp_path / "deep" / "file.json"
    for text in ("old", "new"):
        with atomic_write(target) as temporary:
            temporary.write_text(text)
            assert temporary.suffix == ".json"
            assert temporary.parent == target.parent
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_keeps_the_old_file(tmp_path):
    target = tmp_path / "file.json"
    target.write_text("old")

    def write_half():
        with atomic_write(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_block_is_an_error(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="nothing was written"),
        atomic_write(tmp_path / "file.json"),
    ):
        pass
    assert not list(tmp_path.iterdir())
