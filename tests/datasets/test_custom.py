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


def test_coco_masks_are_for_evaluation(coco, draw_image):
    for name in ("a", "b", "c"):
        draw_image(coco / f"masks/test/{name}.png", mode="L")
    data = CocoWSOL(str(coco), "test", masks="masks/{split}", test_mode=True)
    assert data[1]["mask_paths"] == [str(coco / "masks/test/b.png")]
    assert [data.check_item(k) for k in range(3)] == [[]] * 3
    assert "mask_paths" not in CocoWSOL(str(coco), "test", masks="masks/{split}")[1]
    assert "mask_paths" not in CocoWSOL(str(coco), "test", test_mode=True)[1]


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


def write_json(file, content):
    file.write_text(json.dumps(content))


def split_of(coco, name, keep):
    """Another split with the categories that `keep` chooses, renumbered, and their images."""
    content = json.loads((coco / "annotations/test.json").read_text())
    names = {c["id"]: c["name"] for c in content["categories"]}
    ids = {old: new for new, old in enumerate(reversed([k for k in names if names[k] in keep]))}
    content["categories"] = [{"id": new, "name": names[old]} for old, new in ids.items()]
    kept = [a for a in content["annotations"] if a["category_id"] in ids]
    content["annotations"] = [{**a, "category_id": ids[a["category_id"]]} for a in kept]
    for image in content["images"]:
        if image.get("category_id") in ids:
            image["category_id"] = ids[image["category_id"]]
    images = {a["image_id"] for a in content["annotations"]}
    content["images"] = [i for i in content["images"] if i["id"] in images]
    write_json(coco / f"annotations/{name}.json", content)
    (coco / name).symlink_to(coco / "test")


def test_labels_count_the_training_categories_by_name(coco):
    split_of(coco, "train", ("cat", "dog"))
    split_of(coco, "val", ("dog",))
    train, val = CocoWSOL(str(coco), "train"), CocoWSOL(str(coco), "val")
    labels = {train[k]["img_id"]: train[k]["gt_label"] for k in range(len(train))}
    assert train.CLASSES == val.CLASSES
    assert len(val) < len(train)
    # the one category of val is number 0 there, and keeps the training split's label
    assert {val[k]["gt_label"] for k in range(len(val))} == {train.CLASSES.index("dog")} != {0}
    assert all(val[k]["gt_label"] == labels[val[k]["img_id"]] for k in range(len(val)))


def test_a_class_that_the_training_split_lacks_is_refused(coco):
    split_of(coco, "train", ("cat",))
    with pytest.raises(ValueError, match=r"of class 'dog', which is none of the 1 of .*train.json"):
        CocoWSOL(str(coco), "test", test_mode=True)
    named = CocoWSOL(str(coco), "test", test_mode=True, classes=["dog", "cow", "cat"])
    assert [named[k]["gt_label"] for k in range(3)] == [2, 0, 0]
    assert named.CLASSES == ("dog", "cow", "cat")
    with pytest.raises(ValueError, match="'dog', which is none of the 1 of the argument 'classes'"):
        CocoWSOL(str(coco), "test", test_mode=True, classes=["cat"])
    with pytest.raises(ValueError, match="class 'cat' occurs twice in the argument 'classes'"):
        CocoWSOL(str(coco), "test", test_mode=True, classes=["cat", "dog", "cat"])


def test_a_category_that_no_image_has_does_no_harm(coco):
    split_of(coco, "train", ("cat", "dog"))
    content = json.loads((coco / "annotations/test.json").read_text())
    content["categories"].append({"id": 99, "name": "unicorn"})
    write_json(coco / "annotations/test.json", content)
    assert len(CocoWSOL(str(coco), "test", test_mode=True)) == 3


def test_null_sizes_and_ids_of_mixed_type(coco):
    content = json.loads((coco / "annotations/test.json").read_text())
    content["images"][0].update(width=None, height=None)
    content["images"][1]["id"] = "2"
    content["annotations"][3]["image_id"] = "3"
    content["annotations"][2]["category_id"] = 9.0
    content["categories"].append({"id": "bird", "name": "bird"})
    write_json(coco / "annotations/test.json", content)
    data = CocoWSOL(str(coco), "test", test_mode=True)
    assert data.CLASSES == ("cat", "dog", "bird")
    assert [data[k]["gt_label"] for k in range(3)] == [0, 1, 1]
    assert "width" not in data[0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda c: c["images"][0].update(width="40"), r"a.jpg': width and height must be pixels"),
        (lambda c: c["images"][0].update(width=0.5), r"must be pixels, or absent, got \[0.5, 30\]"),
        (lambda c: c["images"][0].update(id=None), r"id of image 'a.jpg' must be a whole number"),
        (lambda c: c["images"][0].update(id=True), r"whole number or text, got True"),
        (lambda c: c["categories"][0].update(id=[1]), r"categories\[0\]: id must be"),
        (lambda c: c["categories"].append(3), r"categories\[2\]: a category needs"),
        (lambda c: c["images"].append("d.jpg"), r"an image needs 'id' and 'file_name', got d.jpg"),
    ],
)
def test_odd_coco_fields_are_named(coco, function, message):
    content = json.loads((coco / "annotations/test.json").read_text())
    function(content)
    write_json(coco / "annotations/test.json", content)
    with pytest.raises(ValueError, match=message):
        CocoWSOL(str(coco), "test", test_mode=True)


def test_images_without_a_class_are_left_out_and_counted(coco, log):
    content = json.loads((coco / "annotations/test.json").read_text())
    del content["annotations"][2]
    write_json(coco / "annotations/test.json", content)
    data = CocoWSOL(str(coco), "test", test_mode=True)
    assert [data[k]["img_id"] for k in range(len(data))] == ["a.jpg", "c.jpg"]
    assert "1 of 3 images have no annotation and no 'category_id'" in log[0]


def test_training_on_boxes_keeps_an_image_without_any(coco):
    content = json.loads((coco / "annotations/test.json").read_text())
    content["annotations"] = content["annotations"][:3]
    write_json(coco / "annotations/test.json", content)
    data = CocoWSOL(str(coco), "test", supervision="boxes")
    assert [len(data[k]["instances"]) for k in range(3)] == [1, 1, 0]


def test_what_is_no_class_or_image_is_left_out_and_counted(folders, draw_image, log):
    for name in (
        "train/.ipynb_checkpoints/a-checkpoint.jpg",
        "train/cat/._a.jpg",
        "train/cat/.ipynb_checkpoints/a.jpg",
        "train/cat/more/d.jpg",
        "train/loose.jpg",
        "test/.DS/c.jpg",
    ):
        draw_image(folders / name)
    (folders / "train/dog/notes.TXT").write_text("x")
    (folders / "train/dog/b.heic").write_text("x")
    train = FolderWSOL(str(folders))
    assert train.CLASSES == ("cat", "dog")
    assert [train[k]["img_id"] for k in range(len(train))] == ["cat/a.jpg", "dog/b.PNG"]
    counts = "1 .heic, 1 .txt, 1 beside the class folders, 3 hidden, 1 nested folders"
    assert f"train: 7 entries are left out: {counts};" in log[0]
    test = FolderWSOL(str(folders), "test", test_mode=True)
    assert test.CLASSES == train.CLASSES
    assert test[0]["gt_label"] == 1


def test_an_empty_folder_is_no_class_by_accident(folders):
    (folders / "train/cow").mkdir()
    with pytest.raises(ValueError, match=r"train/cow holds no images .* remove or fill it"):
        FolderWSOL(str(folders), "test", test_mode=True)


def test_folders_of_a_class_that_the_training_split_lacks(folders, draw_image):
    draw_image(folders / "test/cow/x.jpg")
    with pytest.raises(ValueError, match=r"'cow/x.jpg' of split 'test' is of class 'cow', which"):
        FolderWSOL(str(folders), "test", boxes=None, test_mode=True)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffimage,x0,y0,x1,y1\r\ndog/c.jpg,1,2,3.5,4\r\n",
        "image;x0;y0;x1;y1\ndog/c.jpg;1;2;3,5;4\n",
        "\ufeffimage;x0;y0;x1;y1\ndog/c.jpg;1;2;3.5;4\n",
        "image\tx0\ty0\tx1\ty1\ndog/c.jpg\t1\t2\t3.5\t4\n",
        "image, x0, y0, x1, y1\ndog/c.jpg, 1, 2, 3.5, 4\n",
    ],
)
def test_a_csv_as_spreadsheets_write_it(folders, text):
    (folders / "boxes_test.csv").write_bytes(text.encode())
    test = FolderWSOL(str(folders), "test", test_mode=True)
    assert [each["bbox"] for each in test[0]["instances"]] == [[1, 2, 3.5, 4]]


def test_boxes_in_shares_of_the_image_are_refused(folders, draw_image, log):
    file = folders / "boxes_test.csv"
    file.write_text("image,x0,y0,x1,y1\ndog/c.jpg,0.1,0.2,0.95,1.0\n")
    with pytest.raises(ValueError, match=r"no box .* goes beyond 1 px, so they are shares of"):
        FolderWSOL(str(folders), "test", test_mode=True)
    assert not log
    file.write_text("image,x0,y0,x1,y1\ndog/c.jpg,0.1,0.2,0.95,1.0\ndog/c.jpg,1,2,9,9\n")
    FolderWSOL(str(folders), "test", test_mode=True)
    assert "1 of 2 boxes of split 'test' are narrower than a pixel, the first in 'dog/c" in log[0]
