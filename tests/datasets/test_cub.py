"""CUB layout: miniatures, bad input, real birds, CUBV2."""

from pathlib import Path

import pytest
from mmcv.transforms import LoadImageFromFile

from wsol_mm.datasets import CUB
from wsol_mm.registry import DATASETS


def boxes_of(dataset):
    return [[each["bbox"] for each in dataset[k]["instances"]] for k in range(len(dataset))]


def test_reads_a_subset_with_its_own_class_ids(cub_root):
    data = CUB(str(cub_root), "test", test_mode=True)
    assert data.metainfo["classes"] == ("003.Ani", "017.Wren")
    assert data.CLASSES == ("003.Ani", "017.Wren")
    assert [data[k]["img_id"] for k in range(2)] == ["003.Ani/b.jpg", "017.Wren/d.jpg"]
    assert [data[k]["gt_label"] for k in range(2)] == [0, 1]
    assert boxes_of(data) == [[[1.5, 2.0, 11.5, 7.0]], [[5.0, 5.0, 25.0, 25.0]]]
    assert data[0]["instances"][0] == {
        "bbox": [1.5, 2.0, 11.5, 7.0],
        "bbox_label": 0,
        "ignore_flag": 0,
    }
    assert "mask_paths" not in data[0]


def test_image_names_may_hold_spaces(cub_root):
    assert CUB(str(cub_root))[0]["img_id"] == "003.Ani/a 1.jpg"


@pytest.mark.parametrize("index", [0, 1])
def test_grey_and_cmyk_images_load_as_three_channels(cub_root, index):
    split = "train" if index == 0 else "test"
    data = CUB(str(cub_root), split, test_mode=True, pipeline=[LoadImageFromFile()])
    assert data[0]["img"].shape == (30, 40, 3)
    assert data.check_item(0) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("images.txt", "3 017", "2 017", r"images.txt:3: duplicate image_id '2'"),
        ("images.txt", "4 017.Wren/d.jpg", "4", r"images.txt:4: expected 'image_id image_name'"),
        ("images.txt", "017.Wren/d.jpg", "003.Ani/b.jpg", r"'003.Ani/b.jpg' occurs twice"),
        ("image_class_labels.txt", "2 3\n", "", r"image id 2 has no line in .*class_labels"),
        ("image_class_labels.txt", "4 17", "4 18", r"class_labels.txt:4: class id 18 is not in"),
        ("image_class_labels.txt", "4 17", "4 x", r"class_labels.txt:4: class_id must be an int"),
        ("image_class_labels.txt", "4 17", "5 17", r"class_labels.txt:4: image id 5 is not in"),
        ("train_test_split.txt", "4 0\n", "", r"image id 4 has no line in .*train_test_split"),
        ("train_test_split.txt", "4 0", "4 2", r"train_test_split.txt:4: .* 0 or 1, got '2'"),
        ("train_test_split.txt", " 0", " 1", r"split 'test' has no images"),
        ("bounding_boxes.txt", "2 1.5 2.0 10.0 5.0\n", "", r"image id 2 has no line in .*boxes"),
        ("bounding_boxes.txt", "3 3 4 5 6", "3 3 4 5", r"boxes.txt:3: expected 'image_id x y"),
        ("bounding_boxes.txt", "3 3 4 5 6", "3 3 4 5 nan", r"boxes.txt:3: x y width height must"),
        ("bounding_boxes.txt", "3 3 4 5 6", "3 3 4 5 6 7", r"boxes.txt:3: x y width height must"),
        ("bounding_boxes.txt", "3 3 4 5 6", "3 3 4 0 6", r"boxes.txt:3: .* has no area"),
        ("bounding_boxes.txt", "3 3 4 5 6", "3 -3 4 9 6", r"boxes.txt:3: .* outside its image"),
        ("bounding_boxes.txt", "3 3 4 5 6", "2 3 4 5 6", r"boxes.txt:3: duplicate image_id '2'"),
        ("bounding_boxes.txt", "3 3 4 5 6", "7 3 4 5 6", r"boxes.txt:3: image id 7 is not in"),
        ("classes.txt", "3 003.Ani", "17 003.Ani", r"classes.txt:2: duplicate class_id '17'"),
    ],
)
def test_bad_lists_are_named(cub_root, edit_file, file, old, new, message):
    edit_file(cub_root / file, old, new)
    with pytest.raises(ValueError, match=message):
        CUB(str(cub_root), "test", test_mode=True)


@pytest.mark.parametrize(
    "file",
    ["images.txt", "classes.txt", "image_class_labels.txt", "train_test_split.txt"],
)
def test_a_missing_or_empty_list_names_the_file_and_the_way_to_get_it(cub_root, file):
    (cub_root / file).write_text("\n")
    with pytest.raises(ValueError, match=rf"{file} is empty: get CUB_200_2011.tgz"):
        CUB(str(cub_root))
    (cub_root / file).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{file} does not exist: get CUB_200_2011.tgz"):
        CUB(str(cub_root))


def test_a_list_that_is_not_text_is_named(cub_root):
    (cub_root / "images.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"images.txt is not a UTF-8 text file"):
        CUB(str(cub_root))


def test_missing_root_and_missing_images(cub_root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data_root .*nowhere does not exist: get CUB"):
        CUB(str(tmp_path / "nowhere"))
    (cub_root / "images").rename(cub_root / "pictures")
    with pytest.raises(FileNotFoundError, match=r"a 1.jpg does not exist: get CUB_200_2011"):
        CUB(str(cub_root))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "split must be one of"),
        ({"supervision": "weak"}, "supervision must be one of"),
        ({"supervision": "pseudo_boxes"}, "needs pseudo_boxes=FILE.json"),
        ({"pseudo_boxes": "a.json"}, "would not be read: set supervision='pseudo_boxes'"),
        ({"filter_cfg": {"min_size": 32}}, "filter_cfg knows filter_empty_gt only"),
    ],
)
def test_bad_arguments_are_refused(cub_root, arguments, message):
    with pytest.raises(ValueError, match=message):
        CUB(str(cub_root), **arguments)


def test_lazy_init_indices_and_registry(cub_root):
    cfg = {"type": "wsol_mm.CUB", "data_root": str(cub_root), "split": "train"}
    data = DATASETS.build({**cfg, "lazy_init": True})
    assert data.CLASSES is None
    data.full_init()
    assert data.CLASSES == ("003.Ani", "017.Wren")
    assert data.get_cat_ids(1) == [1]
    last = DATASETS.build({**cfg, "indices": [-1]})
    assert [last[k]["img_id"] for k in range(len(last))] == ["017.Wren/c.jpg"]


def test_metainfo_of_a_detector_wins(cub_root):
    data = CUB(str(cub_root), metainfo={"classes": ("object",)})
    assert data.metainfo["classes"] == ("object",)
    assert data[1]["gt_label"] == 1


def test_val_in_the_same_layout(cub_root, tmp_path, make_cub):
    make_cub(tmp_path / "birds_val")
    data = CUB(str(cub_root), "val", val_root="../birds_val", test_mode=True)
    assert len(data) == 4
    assert all("birds_val" in data[k]["img_path"] for k in range(4))


def write_cubv2(root: Path, draw) -> None:
    root.mkdir()
    names = ["003.Ani/1.jpg", "005.Auk/2.jpg", "017.Wren/3.jpg"]
    for name in names:
        draw(root / name)
    (root / "image_ids.txt").write_text("\n".join(names))
    rows = zip(names, (2, 4, 16), strict=True)
    (root / "class_labels.txt").write_text("\n".join(f"{name},{label}" for name, label in rows))
    (root / "image_sizes.txt").write_text("\n".join(f"{name},40,30" for name in names))
    (root / "localization.txt").write_text("\n".join(f"{name},3,4,39,29" for name in names))


def test_val_from_cubv2_lists_keeps_the_classes_of_the_root(cub_root, tmp_path, draw_image):
    write_cubv2(tmp_path / "CUBV2", draw_image)
    data = CUB(str(cub_root), "val", test_mode=True)
    assert [data[k]["img_id"] for k in range(len(data))] == ["003.Ani/1.jpg", "017.Wren/3.jpg"]
    assert [data[k]["gt_label"] for k in range(len(data))] == [0, 1]
    assert boxes_of(data) == [[[3.0, 4.0, 39.0, 29.0]]] * 2
    assert (data[0]["width"], data[0]["height"]) == (40, 30)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("localization.txt", "3.jpg,3,4,39,29", "3.jpg,3,4,49,29", r"ation.txt:3: .* of 40x30 px"),
        ("localization.txt", "3.jpg,3,4,39,29", "3.jpg,3,4,3,29", r"ation.txt:3: .* no area"),
        ("localization.txt", "\n017.Wren/3.jpg,3,4,39,29", "", r"ids.txt:3: .* no line in .*ation"),
        ("localization.txt", "017.Wren", "17.Wren", r"ation.txt:3: .* is not in .*image_ids.txt"),
        ("localization.txt", "3.jpg,3,4", "3.jpg,3,x", r"ation.txt:3: x0,y0,x1,y1 must be numbers"),
        ("image_sizes.txt", "3.jpg,40,30", "3.jpg,40,3.5", r"sizes.txt:3: height must be an int"),
        ("image_sizes.txt", "3.jpg,40,30", "3.jpg,40,0", r"sizes.txt:3: .* must be positive"),
        ("image_sizes.txt", "017.Wren/3", "003.Ani/1", r"sizes.txt:3: duplicate image_id"),
        ("image_sizes.txt", "017.Wren/3", "017.Wren/4", r"sizes.txt:3: .* is not in"),
        ("class_labels.txt", "3.jpg,16", "3.jpg", r"labels.txt:3: expected 'image_id,label'"),
        ("class_labels.txt", "\n017.Wren/3.jpg,16", "", r"ids.txt:3: .* has no line in .*labels"),
        ("class_labels.txt", "017.Wren/3", "003.Ani/1", r"labels.txt:3: duplicate image_id"),
        ("image_ids.txt", "017.Wren/3", "003.Ani/1", r"ids.txt:3: duplicate image_id"),
        ("image_ids.txt", "\n017.Wren/3.jpg", "", r"labels.txt:3: .* is not in .*image_ids.txt"),
    ],
)
def test_bad_metadata_lists_are_named(
    cub_root, tmp_path, draw_image, edit_file, file, old, new, message
):
    write_cubv2(tmp_path / "CUBV2", draw_image)
    edit_file(tmp_path / "CUBV2" / file, old, new)
    with pytest.raises(ValueError, match=message):
        CUB(str(cub_root), "val", test_mode=True)


def test_missing_cubv2_says_how_to_get_it(cub_root):
    with pytest.raises(FileNotFoundError, match=r"image_ids.txt does not exist: get the CUBV2"):
        CUB(str(cub_root), "val", test_mode=True)


def test_truncated_foreign_and_missing_images_are_found(cub_root, draw_image):
    data = CUB(str(cub_root), "test", test_mode=True)
    whole = Path(data[0]["img_path"]).read_bytes()
    path = Path(data[0]["img_path"])
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be decoded" in data.check_item(0)[0]
    path.write_text("not a picture")
    assert data.check_item(0) == [f"{path}: not an image"]
    path.unlink()
    assert data.check_item(0) == [f"{path}: the file does not exist"]
    draw_image(path, size=(11, 30))
    assert data.check_item(0) == []  # the box ends at 11.5, within the tolerance of a pixel
    draw_image(path, size=(10, 30))
    assert "lies outside its image of 10x30 px" in data.check_item(0)[0]


def test_a_rotation_tag_is_found(cub_root):
    from PIL import Image

    data = CUB(str(cub_root), "test", test_mode=True)
    path = data[1]["img_path"]
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(path, exif=exif)
    problems, notes = data.inspect_item(1)
    assert notes == ["images are turned by their EXIF tag; boxes are taken as a viewer shows"]
    # CUB lists no sizes, and the box fits both ways
    assert problems == []


def test_real_birds(shared_data):
    root = shared_data / "cub_mini"
    train = CUB(str(root), "train", supervision="boxes")
    test = CUB(str(root), "test", test_mode=True)
    assert (len(train), len(test)) == (180, 143)
    assert train.metainfo["classes"][5] == "006.Least_Auklet"
    for data in (train, test):
        assert not [problem for k in range(len(data)) for problem in data.check_item(k)]


def test_real_birds_agree_with_the_reference_lists(shared_data):
    from wsol_mm.datasets.metadata import read_metadata

    root = shared_data / "cub_mini"
    lists = shared_data / "wsol_metadata" / "CUB" / "test"
    reference = {
        entry["img_id"]: entry
        for entry in read_metadata(lists, root / "images", boxes=True, hint="-")
    }
    assert len(reference) == 5794
    test = CUB(str(root), "test", test_mode=True)
    for k in range(len(test)):
        info = test[k]
        other = reference[info["img_id"]]
        assert info["gt_label"] == other["gt_label"]
        # the reference clips the end to width - 1 and height - 1
        ends = (other["width"] - 1, other["height"] - 1)
        x0, y0, x1, y1 = info["instances"][0]["bbox"]
        assert other["boxes"] == [[x0, y0, min(x1, ends[0]), min(y1, ends[1])]]


def test_real_cubv2_lists_are_read_for_the_classes_at_hand(shared_data, tmp_path):
    root = tmp_path / "cub"
    root.symlink_to(shared_data / "cub_mini")
    images = tmp_path / "images_of_cubv2"
    first = images / "001.Black_footed_Albatross" / "30107316117.jpg"
    first.parent.mkdir(parents=True)
    first.touch()
    data = CUB(
        str(root),
        "val",
        val_root=str(images),
        val_metadata=str(shared_data / "wsol_metadata" / "CUB" / "val"),
        test_mode=True,
    )
    assert len(data) == 31
    assert {data[k]["gt_label"] for k in range(31)} == set(range(6))


def test_a_val_folder_that_numbers_the_classes_otherwise_is_refused(cub_root, make_cub, edit_file):
    other = make_cub(cub_root.parent / "CUBV2")
    assert CUB(str(cub_root), "val")[0]["gt_label"] == 0
    edit_file(other / "classes.txt", "17 017.Wren\n3 003.Ani", "3 017.Wren\n17 003.Ani")
    with pytest.raises(ValueError, match=r"class id 3 is '017.Wren', but '003.Ani' at .*:2"):
        CUB(str(cub_root), "val")
