"""ILSVRC: class folders with XML, the reference lists, renamed ImageNetV2 files."""

import pytest

from wsol_mm.datasets import ILSVRC

XML = """<annotation><size><width>40</width><height>30</height><depth>3</depth></size>
{objects}</annotation>"""
OBJECT = """<object><name>{}</name><bndbox>
<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def write_xml(path, *objects):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(XML.format(objects="\n".join(OBJECT.format(*each) for each in objects)))


@pytest.fixture
def root(tmp_path, draw_image):
    """Two classes: train in class folders, test in class folders, val as lists."""
    root = tmp_path / "ILSVRC"
    for name in ("n02/b_1.JPEG", "n02/b_2.JPEG", "n01/a_1.JPEG"):
        draw_image(root / "train" / name)
    (root / "train/n01/notes.txt").write_text("no image")
    write_xml(root / "Annotations/train/n02/b_1.xml", ("n02", 1, 2, 20, 22), ("n01", 0, 0, 5, 5))
    for name in ("n01/val_1.JPEG", "n02/val_2.JPEG"):
        draw_image(root / "val" / name)
    write_xml(root / "Annotations/val/val_1.xml", ("n01", 1, 2, 20, 22), ("n01", 4, 4, 40, 30))
    write_xml(root / "Annotations/val/n02/val_2.xml", ("n03", 1, 1, 9, 9), ("n02", 0, 0, 40, 30))
    lists = root / "metadata/val"
    lists.mkdir(parents=True)
    (lists / "image_ids.txt").write_text("val2/0/0.jpeg\nval2/1/0.jpeg")
    (lists / "class_labels.txt").write_text("val2/0/0.jpeg,0\nval2/1/0.jpeg,1")
    (lists / "image_sizes.txt").write_text("val2/0/0.jpeg,40,30\nval2/1/0.jpeg,40,30")
    (lists / "localization.txt").write_text(
        "val2/0/0.jpeg,1,1,9,9\nval2/1/0.jpeg,2,2,39,29\nval2/1/0.jpeg,5,5,8,8"
    )
    draw_image(root / "val2/0/0.jpeg")
    draw_image(root / "val2/1/0.jpeg")
    return root


def bboxes(info):
    return [each["bbox"] for each in info["instances"]]


def test_train_reads_class_folders_and_no_xml(root):
    (root / "Annotations/train/n02/b_1.xml").write_text("broken")
    data = ILSVRC(str(root))
    assert data.CLASSES == ("n01", "n02")
    infos = [data[k] for k in range(len(data))]
    assert [info["img_id"] for info in infos] == [
        "train/n01/a_1.JPEG",
        "train/n02/b_1.JPEG",
        "train/n02/b_2.JPEG",
    ]
    assert [info["gt_label"] for info in infos] == [0, 1, 1]
    assert not any("instances" in info for info in infos)


def test_true_boxes_of_train_keep_images_without_xml(root):
    data = ILSVRC(str(root), supervision="boxes")
    assert [bboxes(data[k]) for k in range(3)] == [[], [[1, 2, 20, 22]], []]
    assert (data[1]["width"], data[1]["height"]) == (40, 30)


def test_only_objects_of_the_image_class_count(root):
    data = ILSVRC(str(root), "test", test_mode=True)
    assert bboxes(data[0]) == [[1, 2, 20, 22], [4, 4, 40, 30]]
    assert bboxes(data[1]) == [[0, 0, 40, 30]]
    assert [data.check_item(k) for k in range(2)] == [[], []]


def test_sizes_that_differ_from_the_xml_are_found(root, draw_image):
    draw_image(root / "val/n01/val_1.JPEG", size=(50, 30))
    data = ILSVRC(str(root), "test", test_mode=True)
    assert "is 50x30 px, its list says 40x30" in data.check_item(0)[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<name>n02</name>", "<name>n01</name>", r"val_2.xml has no object of .* class n02"),
        ("<xmin>0</xmin>", "", r"val_2.xml: <object> has no <bndbox/xmin>"),
        ("<xmin>0</xmin>", "<xmin>left</xmin>", r"val_2.xml: bndbox must be numbers"),
        ("<xmax>40</xmax>", "<xmax>42</xmax>", r"val_2.JPEG': .* of 40x30 px"),
        ("<width>40</width>", "<width>wide</width>", r"val_2.xml: width must be an integer"),
        ("</annotation>", "", r"val_2.xml is not valid XML"),
    ],
)
def test_bad_xml_is_named(root, edit_file, old, new, message):
    edit_file(root / "Annotations/val/n02/val_2.xml", old, new)
    with pytest.raises(ValueError, match=message):
        ILSVRC(str(root), "test", test_mode=True)


def test_a_test_image_without_xml_is_an_error(root):
    (root / "Annotations/val/val_1.xml").unlink()
    with pytest.raises(FileNotFoundError, match=r"val_1.xml does not exist, so 'val/n01/val_1"):
        ILSVRC(str(root), "test", test_mode=True)


def test_an_unknown_class_folder_is_an_error(root, draw_image):
    draw_image(root / "val/n09/x.JPEG")
    with pytest.raises(ValueError, match=r"'n09' is not one of the 2 known classes"):
        ILSVRC(str(root), "test", test_mode=True)


def test_classes_file_gives_names_and_order(root):
    (root / "synsets.txt").write_text("n02 great auk\nn01 tench, Tinca\n")
    data = ILSVRC(str(root), classes_file="synsets.txt")
    assert data.CLASSES == ("great auk", "tench, Tinca")
    assert [data[k]["gt_label"] for k in range(3)] == [1, 0, 0]  # n01, n02, n02
    (root / "synsets.txt").write_text("n02 great auk\nn02 tench, Tinca\n")
    with pytest.raises(ValueError, match=r"synsets.txt:2: duplicate class 'n02'"):
        ILSVRC(str(root), classes_file="synsets.txt")


def test_val_reads_imagenet_v2_from_lists(root):
    data = ILSVRC(str(root), "val", test_mode=True)
    assert data.CLASSES == ("n01", "n02")
    assert bboxes(data[1]) == [[2, 2, 39, 29], [5, 5, 8, 8]]
    assert data[0]["img_path"] == str(root / "val2/0/0.jpeg")


def test_val_without_a_train_folder_numbers_its_classes(root):
    (root / "train").rename(root / "elsewhere")
    assert ILSVRC(str(root), "val", test_mode=True).CLASSES == ("class 0", "class 1")


def test_renamed_files_are_mapped_and_keep_their_ids(root, draw_image, edit_file):
    (root / "val2/0/0.jpeg").rename(root / "val2/0/a31041fd.jpeg")
    with pytest.raises(FileNotFoundError, match=r"renamed since: mapping.txt"):
        ILSVRC(str(root), "val", test_mode=True)
    mapping = root / "metadata/val/mapping.txt"
    mapping.write_text("0/0.jpeg, 0/a31041fd.jpeg\n1/0.jpeg, 1/0.jpeg\n")
    data = ILSVRC(str(root), "val", test_mode=True)
    assert data[0]["img_id"] == "val2/0/0.jpeg"
    assert data[0]["img_path"] == str(root / "val2/0/a31041fd.jpeg")
    assert data.check_item(0) == []
    edit_file(mapping, "1/0.jpeg, 1/0.jpeg\n", "")
    with pytest.raises(ValueError, match=r"mapping.txt: no line for '1/0.jpeg'"):
        ILSVRC(str(root), "val", test_mode=True)


def test_lists_of_more_classes_than_the_folders_are_an_error(root, draw_image):
    draw_image(root / "train/n03/c.JPEG")  # the val split may lack a class
    assert ILSVRC(str(root), "val", test_mode=True).CLASSES == ("n01", "n02", "n03")
    for name in ("n02", "n03"):
        (root / "train" / name).rename(root / name)
    with pytest.raises(ValueError, match=r"class_labels.txt counts 2 classes, .*train has 1"):
        ILSVRC(str(root), "val", test_mode=True)


def test_a_list_of_classes_beside_the_data_is_read(root):
    (root / "train").rename(root / "elsewhere")
    (root / "classes.txt").write_text("n01 tench, Tinca tinca\nn02 goldfish\nn03 shark\n")
    for split in ("val", "test"):
        data = ILSVRC(str(root), split, test_mode=True)
        assert data.CLASSES == ("tench, Tinca tinca", "goldfish", "shark")


def test_classes_that_share_a_name_are_told_apart(root):
    """As the two cranes of ImageNet."""
    (root / "classes.txt").write_text("n01 crane\nn02 crane\nn03 shark\n")
    data = ILSVRC(str(root))
    assert data.CLASSES == ("crane (n01)", "crane (n02)", "shark")


def test_test_split_from_lists(root):
    (root / "metadata/test").mkdir()
    for name, text in {
        "image_ids": "val/n01/val_1.JPEG\nval/n02/val_2.JPEG",
        "class_labels": "val/n01/val_1.JPEG,0\nval/n02/val_2.JPEG,1",
        "image_sizes": "val/n01/val_1.JPEG,40,30\nval/n02/val_2.JPEG,40,30",
        "localization": "val/n01/val_1.JPEG,0,0,4,4\nval/n02/val_2.JPEG,0,0,5,5",
    }.items():
        (root / "metadata/test" / f"{name}.txt").write_text(text)
    data = ILSVRC(str(root), "test", test_mode=True)
    assert [bboxes(data[k]) for k in range(2)] == [[[0, 0, 4, 4]], [[0, 0, 5, 5]]]


@pytest.mark.parametrize("label", ["-1", "x"])
def test_class_index_out_of_range(root, edit_file, label):
    edit_file(root / "metadata/val/class_labels.txt", "0.jpeg,0", f"0.jpeg,{label}")
    with pytest.raises(ValueError, match=r"class index -1|label must be an integer"):
        ILSVRC(str(root), "val", test_mode=True)


def test_missing_folders(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"images does not exist: get ILSVRC2012"):
        ILSVRC(str(root), folders={"train": "images"})
    (root / "empty/n01").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"empty/n01 holds no images .* remove or fill it"):
        ILSVRC(str(root), folders={"train": "empty"})
    with pytest.raises(ValueError, match=r"n01 holds no class folders"):
        ILSVRC(str(root), folders={"train": "empty/n01"})


def test_real_lists_of_imagenet_v2(shared_data, tmp_path):
    from wsol_mm.datasets.metadata import read_metadata

    lists = shared_data / "wsol_metadata" / "ILSVRC" / "val"
    entries = read_metadata(lists, tmp_path, boxes=True, hint="-")
    assert len(entries) == 10000
    assert sum(len(entry["boxes"]) for entry in entries) == 18532
    assert sum(len(entry["boxes"]) == 1 for entry in entries) == 7948
