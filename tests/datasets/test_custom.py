"""Custom data: COCO json, class folders with a csv of boxes."""

import json

import pytest

from wsol_mm.datasets import CocoWSOL, FolderWSOL


@pytest.fixture
def coco(tmp_path, draw_image):
    """A COCO json with two categories and three images."""
    root = tmp_path / "coco"
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 40, "height": 30},
            {"id": 2, "file_name": "sub/b.jpg"},
            {"id": 3, "file_name": "c.jpg", "category_id": 9},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 1, "category_id": 4, "bbox": [0, 0, 40, 30], "iscrowd": 1},
            {"id": 3, "image_id": 2, "category_id": 9, "bbox": [5, 5, 10, 10]},
            {"id": 4, "image_id": 3, "category_id": 9, "bbox": [5, 6, 10, 10]},
            {"id": 5, "image_id": 3, "category_id": 4, "bbox": [1, 1, 10, 10]},
        ],
    }
    for name in ("a.jpg", "sub/b.jpg", "c.jpg"):
        draw_image(root / "test" / name)
    (root / "annotations").mkdir()
    (root / "annotations/test.json").write_text(json.dumps(content))
    return root


def test_coco(coco):
    data = CocoWSOL(str(coco), "test", test_mode=True)
    infos = [data[k] for k in range(3)]
    assert data.CLASSES == ("cat", "dog")
    assert [info["img_id"] for info in infos] == ["a.jpg", "sub/b.jpg", "c.jpg"]
    assert [info["gt_label"] for info in infos] == [0, 1, 1]
    assert [each["bbox"] for each in infos[0]["instances"]] == [[1, 2, 4, 6]]
    assert len(infos[2]["instances"]) == 2
    assert [data.check_item(k) for k in range(3)] == [[]] * 3


def test_coco_labels_need_no_boxes_in_training(coco):
    file = coco / "annotations/test.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        del annotation["bbox"]
    file.write_text(json.dumps(content))
    assert "instances" not in CocoWSOL(str(coco), "test")[0]
    with pytest.raises(ValueError, match=r"annotations\[0\] \(id 1\): bbox must be"):
        CocoWSOL(str(coco), "test", supervision="boxes")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda c: c.pop("categories"), r"test.json: key 'categories' must be a list"),
        (lambda c: c["categories"][0].update(id=4), r"a category needs a unique 'id'"),
        (lambda c: c["images"].append(c["images"][0]), r"duplicate image id 1"),
        (lambda c: c["images"][2].pop("category_id"), r"'c.jpg' has annotations of 2 categories"),
        (lambda c: c["images"][2].update(category_id=5), r"category_id 5 is not in 'categories'"),
        (lambda c: c["annotations"].pop(2), r"'sub/b.jpg' has annotations of 0 categories"),
        (lambda c: c["annotations"].pop(0), r"image 'a.jpg' has no box in 'annotations'"),
        (lambda c: c["annotations"][0].update(image_id=8), r"annotations\[0\] .*image_id 8"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 43, 4]), r"image 'a.jpg': .* 40x30 px"),
        (lambda c: c["images"].clear() or c["annotations"].clear(), r"split 'test' has no images"),
    ],
)
def test_bad_coco_is_named(coco, function, message):
    file = coco / "annotations/test.json"
    content = json.loads(file.read_text())
    function(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        CocoWSOL(str(coco), "test", test_mode=True)


def test_missing_coco_json(coco):
    with pytest.raises(FileNotFoundError, match=r"train.json does not exist: set data_root"):
        CocoWSOL(str(coco), "train")


@pytest.fixture
def folders(tmp_path, draw_image):
    """Class folders for train and test, a csv of boxes for test."""
    root = tmp_path / "pets"
    for name in ("train/cat/a.jpg", "train/dog/b.PNG", "test/dog/c.jpg"):
        draw_image(root / name)
    (root / "boxes_test.csv").write_text("image,x0,y0,x1,y1\ndog/c.jpg,1,2,3.5,4\n\n")
    return root


def test_folders(folders):
    train = FolderWSOL(str(folders))
    assert train.CLASSES == ("cat", "dog")
    assert [train[k]["img_id"] for k in range(2)] == ["cat/a.jpg", "dog/b.PNG"]
    test = FolderWSOL(str(folders), "test", test_mode=True)
    assert test[0]["gt_label"] == 1
    assert [each["bbox"] for each in test[0]["instances"]] == [[1, 2, 3.5, 4]]


def test_folders_without_boxes(folders):
    data = FolderWSOL(str(folders), "test", boxes=None, test_mode=True)
    assert "instances" not in data[0]
    with pytest.raises(ValueError, match=r"supervision='boxes' needs boxes=FILE.csv"):
        FolderWSOL(str(folders), boxes=None, supervision="boxes")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("image,x0", "name,x0", r"test.csv:1: the first line must be 'image,x0,y0,x1,y1'"),
        ("3.5,4", "3.5", r"test.csv:2: expected image,x0,y0,x1,y1, got"),
        ("3.5,4", "3.5,four", r"test.csv:2: x0,y0,x1,y1 must be numbers"),
        ("3.5,4", "3.5,2", r"test.csv:2: .* has no area"),
        ("dog/c", "cat/c", r"test.csv:2: image 'cat/c.jpg' is not in the folder"),
        ("dog/c.jpg,1,2,3.5,4", "", r"image 'dog/c.jpg' of .*test has no row"),
    ],
)
def test_bad_csv_is_named(folders, edit_file, old, new, message):
    edit_file(folders / "boxes_test.csv", old, new)
    with pytest.raises(ValueError, match=message):
        FolderWSOL(str(folders), "test", test_mode=True)


def test_missing_csv_says_what_to_write(folders):
    (folders / "boxes_test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"write it with the header image,x0,y0,x1,y1, or"):
        FolderWSOL(str(folders), "test", test_mode=True)
