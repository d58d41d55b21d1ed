"""What training may see: nothing, a pseudo-box file, or true boxes."""

import json

import pytest

from wsol_mm.datasets import CUB, ToyScenes


@pytest.fixture
def pseudo_file(tmp_path):
    """A pseudo-box file for two of the train images of the CUB miniature."""
    content = {
        "info": {"maker": "test", "split": "train"},
        "images": [
            {"id": 7, "file_name": "003.Ani/a 1.jpg", "width": 40, "height": 30},
            {"id": 9, "file_name": "017.Wren/c.jpg", "width": 40, "height": 30},
        ],
        "categories": [{"id": 1, "name": "object"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 10, 20], "area": 200},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [5, 5, 35, 25.5], "area": 892.5},
        ],
    }
    path = tmp_path / "pseudo.json"
    path.write_text(json.dumps(content))
    return path


def change(path, function):
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


def test_image_level_training_reads_no_boxes(cub_root):
    (cub_root / "bounding_boxes.txt").unlink()
    data = CUB(str(cub_root), "train", supervision="image")
    assert len(data) == 2
    assert not any("instances" in data[k] for k in range(2))
    for arguments in ({"supervision": "boxes"}, {"test_mode": True}):
        with pytest.raises(FileNotFoundError, match=r"bounding_boxes.txt does not exist"):
            CUB(str(cub_root), "train", **arguments)


def test_true_boxes_only_where_the_config_says_so(cub_root):
    data = CUB(str(cub_root), "train", supervision="boxes")
    assert data[0]["instances"][0]["bbox"] == [0.0, 0.0, 40.0, 30.0]


def test_pseudo_boxes_come_from_their_file_only(cub_root, pseudo_file):
    (cub_root / "bounding_boxes.txt").unlink()
    data = CUB(str(cub_root), "train", supervision="pseudo_boxes", pseudo_boxes=str(pseudo_file))
    assert [each["bbox"] for each in data[0]["instances"]] == [[1, 2, 11, 22], [5, 5, 40, 30.5]]
    assert len(data) == 2
    assert data[1]["instances"] == []


def test_filter_empty_gt_drops_images_without_a_pseudo_box(cub_root, pseudo_file):
    data = CUB(
        str(cub_root),
        "train",
        supervision="pseudo_boxes",
        pseudo_boxes=str(pseudo_file),
        filter_cfg={"filter_empty_gt": True},
    )
    assert [data[k]["img_id"] for k in range(len(data))] == ["003.Ani/a 1.jpg"]
    kept = CUB(str(cub_root), "train", filter_cfg={"filter_empty_gt": True})
    assert len(kept) == 2  # boxes are not read, so nothing says that an image has none


def test_evaluation_reads_the_truth_beside_pseudo_boxes(cub_root, tmp_path):
    data = CUB(
        str(cub_root),
        "test",
        supervision="pseudo_boxes",
        pseudo_boxes=str(tmp_path / "absent.json"),
        test_mode=True,
    )
    assert data[0]["instances"][0]["bbox"] == [1.5, 2.0, 11.5, 7.0]


def test_true_boxes_may_replace_an_inherited_pseudo_box_file(cub_root, tmp_path):
    data = CUB(str(cub_root), supervision="boxes", pseudo_boxes=str(tmp_path / "absent.json"))
    assert data[0]["instances"][0]["bbox"] == [0.0, 0.0, 40.0, 30.0]


def test_a_missing_file_names_the_command_that_makes_it(cub_root):
    with pytest.raises(
        FileNotFoundError,
        match=r"python tools/pseudo_boxes.py CONFIG CHECKPOINT --split train --out absent.json",
    ):
        CUB(str(cub_root), supervision="pseudo_boxes", pseudo_boxes="absent.json")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda c: c["info"].pop("maker"), r"info.maker is missing"),
        (lambda c: c.pop("info"), r"info.maker is missing"),
        (lambda c: c.pop("images"), r"key 'images' must be a list"),
        (lambda c: c["images"][1].pop("file_name"), r"needs 'id' and 'file_name'"),
        (lambda c: c["images"][1].update(id=7), r"duplicate image id 7"),
        (lambda c: c["images"][1].update(file_name="x.jpg"), r"image 'x.jpg' \(id 9\) is not in"),
        (lambda c: c["categories"][0].update(name="bird"), r"must be 'object', got \['bird'\]"),
        (lambda c: c["annotations"][1].update(category_id=2), r"annotations\[1\] .*category_id 2"),
        (lambda c: c["annotations"][1].update(image_id=8), r"annotations\[1\] .*image_id 8 is not"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3]), r"annotations\[1\] .*bbox must be"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 0, 3]), r"annotations\[1\].*no area"),
        (lambda c: c["annotations"][1].update(bbox=[9, 2, 33, 3]), r"annotations\[1\].*of 40x30"),
        (lambda c: c["annotations"].clear(), r"holds no boxes: make it again with"),
        (lambda c: c["images"][1].pop("height"), r"'017\.Wren/c\.jpg' \(id 9\) needs its width"),
        (lambda c: c["images"][0].update(width=0), r"'003\.Ani/a 1\.jpg' \(id 7\) needs its width"),
    ],
)
def test_bad_files_are_refused(cub_root, pseudo_file, function, message):
    change(pseudo_file, function)
    with pytest.raises(ValueError, match=message):
        CUB(str(cub_root), supervision="pseudo_boxes", pseudo_boxes=str(pseudo_file))


@pytest.mark.parametrize(("text", "message"), [("{", "not valid json"), ("[]", "json object")])
def test_broken_json_is_refused(cub_root, pseudo_file, text, message):
    pseudo_file.write_text(text)
    with pytest.raises(ValueError, match=message):
        CUB(str(cub_root), supervision="pseudo_boxes", pseudo_boxes=str(pseudo_file))


def test_image_level_training_reads_no_masks(cub_root):
    (cub_root / "masks").mkdir()
    train = ToyScenes(str(cub_root), "train")
    assert not any("mask_paths" in train[k] for k in range(2))
    test = ToyScenes(str(cub_root), "test", test_mode=True)
    assert test[0]["mask_paths"] == [str(cub_root / "masks/003.Ani/b_0.png")]
    assert test[0]["ignore_path"] is None


def test_toy_scenes_have_several_boxes_and_masks_of_their_size(cub_root, edit_file, draw_image):
    edit_file(cub_root / "bounding_boxes.txt", "4 5 5 20 20", "4 5 5 20 20\n4 1 1 3 3")
    data = ToyScenes(str(cub_root), "test", test_mode=True)
    info = data[1]
    assert len(info["instances"]) == len(info["mask_paths"]) == 2
    assert "d_0.png does not exist" in data.check_item(1)[0]
    for path, size in zip(info["mask_paths"], [(40, 30), (40, 31)], strict=True):
        draw_image(cub_root / path, size=size, mode="L")
    problems = data.check_item(1)
    assert "mask of (40, 31), its image has (40, 30)" in problems[0]
    assert "its masks differ in size" in problems[1]


def test_missing_toy_scenes_name_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"make_toy.py --out {tmp_path}/toy`"):
        ToyScenes(str(tmp_path / "toy"))
