"""The helper that writes a benchmark's block into a document."""

import pytest

from studies.harness.report import machine, write_block


def test_facts_name_processor_and_versions():
    facts = machine()
    assert "cores" in facts["processor"]
    assert {"python", "numpy", "numba"} <= set(facts)


def test_block_is_appended_once_and_then_replaced(tmp_path):
    path = tmp_path / "docs" / "page.md"
    write_block(path, "one", "first")
    write_block(path, "two", "other")
    write_block(path, "one", "second")
    assert path.read_text() == (
        "<!-- one:begin -->\nsecond\n<!-- one:end -->\n\n"
        "<!-- two:begin -->\nother\n<!-- two:end -->\n"
    )
    assert [entry.name for entry in path.parent.iterdir()] == ["page.md"]


@pytest.mark.parametrize(
    "text",
    ["<!-- a:begin -->\n", "<!-- a:end --><!-- a:begin -->", "<!-- a:begin --><!-- a:end -->" * 2],
)
def test_damaged_markers_are_refused_and_the_document_kept(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"page.md: expected '<!-- a:begin -->' and"):
        write_block(path, "a", "new")
    assert path.read_text() == text
