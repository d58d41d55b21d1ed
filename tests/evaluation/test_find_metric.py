"""The metric is found wherever it stands; boxes follow its normalisation, not another metric's."""

import pytest
from mmengine.config import Config

from wsol_mm.evaluation import WSOLMetric
from wsol_mm.evaluation.find_metric import box_rule_of, wsol_metrics

OURS = {"type": "wsol_mm.WSOLMetric", "normalization": "pas", "percentile": 90.0}
OTHER = {"type": "mmpretrain.Accuracy", "normalization": "max"}


@pytest.mark.parametrize(
    "evaluator",
    [
        OURS,
        [OURS],
        [OTHER, OURS],
        {"type": "Evaluator", "metrics": [OTHER, OURS]},
        [OTHER, {**OURS, "type": WSOLMetric}],
    ],
)
def test_another_metric_may_stand_first(evaluator):
    assert len(wsol_metrics(evaluator)) == 1
    rule = box_rule_of(evaluator, threshold=0.25, components="all")
    assert (rule.normalization, rule.percentile) == ("pas", 90.0)
    assert (rule.threshold, rule.source, rule.components) == (0.25, "fixed", "all")


def test_what_the_metric_says_is_the_default():
    rule = box_rule_of([OTHER, {**OURS, "threshold": "otsu", "box_rule": "all"}])
    assert (rule.threshold, rule.components) == ("otsu", "all")
    assert box_rule_of({"type": "WSOLMetric"}).to_dict() == {
        "threshold": "oracle",
        "source": "oracle",
        "normalization": "minmax",
        "percentile": None,
        "components": "largest",
    }


def test_found_entries_are_those_of_the_config():
    cfg = Config({"test_evaluator": [OTHER, OURS]})
    wsol_metrics(cfg.test_evaluator)[0]["threshold"] = 0.5
    assert cfg.test_evaluator[1].threshold == 0.5


def test_no_metric_or_two_that_disagree_are_refused():
    for evaluator in (None, [], OTHER, [OTHER]):
        with pytest.raises(ValueError, match=r"no wsol_mm\.WSOLMetric"):
            box_rule_of(evaluator)
    with pytest.raises(ValueError, match="normalise maps differently"):
        box_rule_of([OURS, {"type": "WSOLMetric"}])
