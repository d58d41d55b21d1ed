"""The WSOLMetric of an evaluator config, wherever it stands, and the box rule it evaluates with."""

from collections.abc import Mapping
from typing import Any

from wsol_mm.functional.box_rule import BoxRule


def metric_entries(evaluator: Any) -> list[Any]:
    """The metric configs of an evaluator config, in order.

    >>> metric_entries(dict(type="A")), metric_entries(dict(type="Evaluator", metrics=[1, 2]))
    ([{'type': 'A'}], [1, 2])
    """
    if isinstance(evaluator, Mapping) and "metrics" in evaluator:
        evaluator = evaluator["metrics"]
    if evaluator is None:
        return []
    return list(evaluator) if isinstance(evaluator, list | tuple) else [evaluator]


def wsol_metrics(evaluator: Any) -> list[Any]:
    """The WSOLMetric configs of an evaluator config, which may hold any other metric too.

    They are the very dictionaries of the config, so that a change of one is a change there.

    >>> wsol_metrics([dict(type="mmpretrain.Accuracy"), dict(type="wsol_mm.WSOLMetric", seed=1)])
    [{'type': 'wsol_mm.WSOLMetric', 'seed': 1}]
    """
    found = []
    for entry in metric_entries(evaluator):
        kind = entry["type"]
        name = kind if isinstance(kind, str) else kind.__name__  # a class in a lazy config
        if name.split(".")[-1] == "WSOLMetric":
            found.append(entry)
    return found


def box_rule_of(evaluator: Any, *, threshold: Any = None, components: str | None = None) -> BoxRule:
    """How the WSOLMetric of an evaluator config turns maps into boxes.

    Args:
        evaluator: ``val_evaluator`` or ``test_evaluator`` of a config.
        threshold: Instead of the metric's.
        components: Instead of the metric's ``box_rule``.

    Returns:
        The rule; its threshold may be ``oracle`` or ``val``, which stand for no number yet.

    Raises:
        ValueError: There is no WSOLMetric, or two of them normalise maps differently.

    >>> metrics = [dict(type="Accuracy"), dict(type="wsol_mm.WSOLMetric", normalization="max")]
    >>> box_rule_of(metrics, threshold=0.2).normalization
    'max'
    """
    metrics = wsol_metrics(evaluator)
    if not metrics:
        raise ValueError(
            "the evaluator has no wsol_mm.WSOLMetric, which says how maps become boxes: add one"
        )
    ways = {(entry.get("normalization", "minmax"), entry.get("percentile")) for entry in metrics}
    if len(ways) > 1:
        raise ValueError(
            f"the evaluator's WSOLMetrics normalise maps differently, {sorted(map(str, ways))}: "
            "keep one of them"
        )
    normalization, percentile = ways.pop()
    return BoxRule.parse(
        metrics[0].get("threshold", "oracle") if threshold is None else threshold,
        components=components or metrics[0].get("box_rule", "largest"),
        normalization=normalization,
        percentile=percentile,
    )
