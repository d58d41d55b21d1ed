"""OpenImages30k: instance masks, ignore masks that may be missing."""

import pytest

from wsol_mm.datasets import OpenImages30k


@pytest.fixture
def root(tmp_path, draw_image):
    """Two images, one with two masks and an ignore mask, one with neither of the latter."""
    root = tmp_path / "OpenImages30k"
    lists = root / "metadata/test"
    lists.mkdir(parents=True)
    ids = ["test/0m1/a.jpg", "test/0m2/b.jpg"]
    (lists / "image_ids.txt").write_text("\n".join(ids))
    (lists / "class_labels.txt").write_text("test/0m1/a.jpg,0\ntest/0m2/b.jpg,1")
    (lists / "image_sizes.txt").write_text("\n".join(f"{name},," for name in ids))
    (lists / "localization.txt").write_text(
        "test/0m1/a.jpg,test/0m1/a_1.png,test/0m1/a_ignore.png\n"
        "test/0m1/a.jpg,test/0m1/a_2.png,\n"
        "test/0m2/b.jpg,test/0m2/b_1.png,"
    )
    for name in ids:
        draw_image(root / name, size=(100, 50))
    for name in ("0m1/a_1", "0m1/a_2", "0m1/a_ignore", "0m2/b_1"):
        draw_image(root / f"masks/test/{name}.png", size=(200, 100), mode="L")
    return root


def build(root, **arguments):
    return OpenImages30k(str(root), "test", masks="masks", **{"test_mode": True, **arguments})


def test_masks_and_ignore_masks(root):
    data = build(root)
    assert data.CLASSES == ("0m1", "0m2")
    masks = root / "masks/test"
    assert data[0]["mask_paths"] == [str(masks / "0m1/a_1.png"), str(masks / "0m1/a_2.png")]
    assert data[0]["ignore_path"] == str(masks / "0m1/a_ignore.png")
    assert data[1]["mask_paths"] == [str(masks / "0m2/b_1.png")]
    assert data[1]["ignore_path"] is None
    assert "instances" not in data[0]
    assert [data.check_item(k) for k in range(2)] == [[], []]


def test_image_level_training_reads_no_masks(root):
    (root / "metadata/test/localization.txt").unlink()
    data = build(root, test_mode=False)
    assert "mask_paths" not in data[0]
    with pytest.raises(FileNotFoundError, match=r"localization.txt does not exist"):
        build(root)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("localization.txt", "a_2.png,", "a_2.png,x.png", r"ation.txt:2: only the first line"),
        ("localization.txt", "test/0m2/b_1.png,", ",", r"ation.txt:3: the mask name is empty"),
        ("localization.txt", "\ntest/0m2/b.jpg,test/0m2/b_1.png,", "", r"b.jpg' has no line in"),
        ("localization.txt", "a_2.png,", "a_2.png", r"ation.txt:2: expected 'image_id,mask,ig"),
        ("localization.txt", "test/0m2/b.jpg", "test/0m2/c.jpg", r"ation.txt:3: .* is not in"),
        ("class_labels.txt", "b.jpg,1", "b.jpg,0", r"index 0, which is that of folder '0m1'"),
        ("class_labels.txt", "b.jpg,1", "b.jpg,-1", r"class index -1 is negative"),
    ],
)
def test_bad_lists_are_named(root, edit_file, file, old, new, message):
    edit_file(root / "metadata/test" / file, old, new)
    with pytest.raises(ValueError, match=message):
        build(root)


def test_masks_of_another_shape_are_found(root, draw_image):
    data = build(root)
    draw_image(root / "masks/test/0m1/a_2.png", size=(100, 100), mode="L")
    problems = data.check_item(0)
    assert "a_2.png: mask of (100, 100), its image has (100, 50)" in problems[0]
    assert "masks differ in size" in problems[1]
    (root / "masks/test/0m1/a_ignore.png").write_text("")
    assert any("a_ignore.png cannot be decoded" in problem for problem in data.check_item(0))


def test_labels_of_all_splits_are_those_of_the_training_lists(root):
    lists = root / "metadata/train"
    lists.mkdir()
    names = [f"train/0m{k}/a.jpg" for k in (1, 2, 3)]
    (lists / "image_ids.txt").write_text("\n".join(names))
    (lists / "class_labels.txt").write_text("\n".join(f"{n},{k}" for k, n in enumerate(names)))
    data = build(root)
    assert data.CLASSES == ("0m1", "0m2", "0m3")  # test has no image of the last
    (lists / "class_labels.txt").write_text("\n".join(f"{n},{2 - k}" for k, n in enumerate(names)))
    data = build(root)
    assert [data[k]["gt_label"] for k in range(2)] == [2, 1]
    (lists / "image_ids.txt").write_text(names[0])
    (lists / "class_labels.txt").write_text(f"{names[0]},0")
    with pytest.raises(ValueError, match=r"of class '0m2', which is none of the 1 of .*train"):
        build(root)
