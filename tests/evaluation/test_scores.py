"""Classifier scores: three formats, one look-up, no code from pickles."""

import json
import pickle

import numpy as np
import pytest

from wsol_mm.evaluation.scores import load_classifier_scores

IDS = ["a/1.jpg", "b, c.jpg"]
SCORES = np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)


def write(path, ids=IDS, scores=SCORES):
    if path.suffix == ".npz":
        np.savez(path, img_ids=np.array(ids), scores=scores)
    else:
        table = dict(zip(ids, scores, strict=True))
        if path.suffix == ".json":
            path.write_text(json.dumps({key: value.tolist() for key, value in table.items()}))
        else:
            path.write_bytes(pickle.dumps(table))
    return path


@pytest.mark.parametrize("name", ["s.npz", "s.json", "s.pkl"])
def test_every_format(tmp_path, name):
    scores = load_classifier_scores(write(tmp_path / name))
    assert len(scores) == 2
    assert scores["b, c.jpg"].tolist() == [0.5, 0.5]
    with pytest.raises(KeyError, match=rf"{name} has no scores for image 'z\.jpg'.*a/1\.jpg"):
        scores["z.jpg"]


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def test_bad_files(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="do not exist"):
        load_classifier_scores(tmp_path / "none.npz")
    (tmp_path / "e.pkl").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(ValueError, match=r"builtins\.print is not a numpy array"):
        load_classifier_scores(tmp_path / "e.pkl")
    assert "executed" not in capsys.readouterr().out
    (tmp_path / "s.txt").touch()
    with pytest.raises(ValueError, match="suffix must be"):
        load_classifier_scores(tmp_path / "s.txt")
    with pytest.raises(ValueError, match=r"2 img_ids, but scores of shape \(1, 2\)"):
        load_classifier_scores(write(tmp_path / "s.npz", scores=SCORES[:1]))
    with pytest.raises(ValueError, match="'a' comes twice"):
        load_classifier_scores(write(tmp_path / "s.npz", ids=["a", "a"]))
    with pytest.raises(ValueError, match="image 'b' are not finite"):
        load_classifier_scores(write(tmp_path / "s.npz", ["a", "b"], SCORES * [[1], [np.nan]]))
    (tmp_path / "s.json").write_text("{")
    with pytest.raises(ValueError, match=r"s\.json: cannot read"):
        load_classifier_scores(tmp_path / "s.json")
