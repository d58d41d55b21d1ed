"""CI-CAM's and KG-CI-CAM's tables: what is compared."""

from pathlib import Path

import pytest

from studies.harness.trial import Trial, resolved_config, trial_key
from studies.papers import ci_cam as paper_tables_ci_cam
from studies.papers import kg_ci_cam as paper_tables_kg_ci_cam
from studies.papers.kg_ci_cam import WHOLE
from studies.papers.tables import unique_trials

CI_CAM = {table.number: table for table in paper_tables_ci_cam.tables(toy=False)}
KG = {table.number: table for table in paper_tables_kg_ci_cam.tables(toy=False)}


def training(trial):
    return trial_key(trial, test=False)


@pytest.mark.parametrize("module", [paper_tables_ci_cam, paper_tables_kg_ci_cam])
@pytest.mark.parametrize("toy", [False, True])
def test_every_trial_has_a_config_with_the_keys_it_overrides(module, toy):
    for trial in unique_trials(module.tables(toy), [0]):
        for each in (trial, *trial.sources().values()):
            cfg = resolved_config(each, test=True)
            if toy:
                assert cfg.train_dataloader.dataset.type == "wsol_mm.ToyScenes"
                assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_epochs == 8
        assert all(f"{{{name}}}" in str(trial.options) for name in trial.inputs)


def test_table_3_takes_the_pool_away():
    for first in (0, 2):
        without, with_pool = (row.trials["ours"] for row in CI_CAM["Table 3"].rows[first:][:2])
        head = resolved_config(without).model.head
        assert head.type == "wsol_mm.CombinationalCAMHead"
        assert head.loss.loss_weight == 2.0
        other = resolved_config(with_pool).model.head
        assert other.context_pool.type == "wsol_mm.CausalContextPool"
        assert head.combination == other.combination


def test_the_own_rate_of_table_4_is_the_training_of_the_other_tables():
    own = [row for row in CI_CAM["Table 4"].rows if row.labels == ("0.01",)]
    assert training(own[0].trials["ours"]) == training(CI_CAM["Table 3"].rows[1].trials["ours"])
    rates = {training(row.trials["ours"]) for row in CI_CAM["Table 4"].rows}
    assert len(rates) == 7


def test_the_thresholds_of_figure_4_share_two_trainings():
    trials = [row.trials["ours"] for row in CI_CAM["Figure 4"].rows]
    assert len({training(trial) for trial in trials}) == 2
    assert len({trial_key(trial) for trial in trials}) == len(trials) == 14
    for row, trial in zip(CI_CAM["Figure 4"].rows, trials, strict=True):
        protocol = resolved_config(trial, test=True).test_evaluator.protocol
        assert protocol == {"name": "ci_cam_two_pass", "threshold": float(row.labels[1])}


def test_ci_cam_is_tested_as_its_config_of_two_passes_says():
    for row in CI_CAM["Table 3"].rows:
        network = Path(row.trials["ours"].config).stem.removesuffix("_one_branch")
        two_pass = resolved_config(Trial(f"configs/ci_cam/{network}_two_pass.py"))
        cfg = resolved_config(row.trials["ours"], test=True)
        cfg.test_evaluator.protocol = cfg.test_evaluator.protocol.pop("name")
        assert cfg.test_evaluator == two_pass.test_evaluator
        assert cfg.test_dataloader == two_pass.test_dataloader
        assert cfg.model.type == two_pass.model.type


@pytest.mark.parametrize("tables", [CI_CAM, KG])
def test_the_default_protocol_has_the_same_trainings_and_none_of_the_papers_numbers(tables):
    for number, table in tables.items():
        if number.startswith("Default"):
            own = tables[number.removeprefix("Default protocol, ")]
            for row, twin in zip(own.rows, table.rows, strict=True):
                for name, trial in row.trials.items():
                    assert twin.trials[name] == Trial(
                        trial.config, trial.options, inputs=trial.inputs
                    )
                assert set(twin.paper) == {""}


def test_the_crop_is_that_of_the_configs_and_the_last_column_sees_the_full_frame():
    for row in KG["Table V"].rows:
        network = Path(row.trials["ours"].config).stem.removesuffix("_ci_cam")
        crop = resolved_config(Trial(f"configs/kg_ci_cam/{network}_centre_crop.py"))
        cfg = resolved_config(row.trials["ours"], test=True)
        assert cfg.test_dataloader == crop.test_dataloader
        assert cfg.test_evaluator == crop.test_evaluator
        whole = resolved_config(row.trials[WHOLE], test=True)
        assert whole.test_evaluator.get("protocol", "wsolevaluation") == "wsolevaluation"
        assert training(row.trials["ours"]) == training(row.trials[WHOLE])


def test_the_teachers_of_table_6():
    for row in KG["Table VI"].rows:
        model = resolved_config(row.trials["ours"]).model
        guides = {"cls": row.labels[2], "loc": row.labels[3]}
        if not any(guides.values()):
            assert model.type == "wsol_mm.WSOLClassifier"
            assert model.head.rho == 0
            continue
        for kind, mark in guides.items():
            assert bool(model[f"{kind}_teacher"]) == (mark == "yes")
        assert "alpha" not in model


def test_the_two_experts_of_table_7_differ_in_what_val_chooses_by():
    for first, second in zip(KG["Table VII"].rows[::2], KG["Table VII"].rows[1::2], strict=True):
        loc, gt = (resolved_config(row.trials["expert"]) for row in (first, second))
        assert loc.default_hooks.checkpoint.save_best == "wsol/top1_loc"
        assert gt.default_hooks.checkpoint.save_best == "wsol/gt_known"
        loc.default_hooks.checkpoint.save_best = "wsol/gt_known"
        assert loc.to_dict() == gt.to_dict()
        for row in (first, second):
            source = row.trials["ours"].sources()["loc_expert"]
            assert training(source) == training(row.trials["expert"])
    assert training(KG["Table VII"].rows[1].trials["ours"]) == training(
        KG["Table V"].rows[2].trials["ours"]
    )
