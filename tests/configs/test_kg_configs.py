"""KG-CI-CAM configs: networks, weights, rates and temperatures of the paper and its code."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, TRANSFORMS
from test_causal_configs import build, difference

import wsol_mm.datasets  # noqa: F401
from wsol_mm.evaluation.protocols import get_protocol

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
KG = CONFIGS / "kg_ci_cam"
STEMS = sorted(path.stem for path in KG.glob("*.py"))
EXPERTS = [stem for stem in STEMS if stem.endswith("_expert")]
PAPER = [stem for stem in STEMS if stem.endswith("_paper")]

# Students: rate, batch, epochs, temperature. Section IV-B.
STUDENTS = {
    "vgg16_cub": (5e-4, 6, 100, 15.0),
    "inception_v3_cub": (1e-4, 6, 100, 15.0),
    "resnet50_cub": (1.25e-4, 6, 100, 10.0),
    "vgg16_ilsvrc": (8e-5, 78, 20, 1.1),
    "inception_v3_ilsvrc": (9e-5, 128, 20, 2.0),
    "resnet50_ilsvrc": (1e-4, 32, 20, 5.0),
    "efficientnet_lite0_cub": (1e-4, 16, 6, 10.0),
    "resnet18_toy": (2e-3, 32, 12, 2.0),
}
# Experts: foreground, difference, area, threshold, rate, batch.
RECIPES = {
    "vgg16_cub_cls_expert": (1.0, 0.0, 0.04, 0.08, 5e-4, 6),
    "vgg16_cub_loc_expert": (0.0, 0.5, 0.0, 0.25, 5e-4, 6),
    "inception_v3_cub_cls_expert": (0.6, 0.0, 0.0, 0.15, 1e-4, 6),
    "inception_v3_cub_loc_expert": (0.0, 0.2, 2e-8, 0.25, 1e-4, 6),
    "resnet50_cub_cls_expert": (1.0, 0.0, 0.0, 0.15, 1.25e-4, 6),
    "resnet50_cub_loc_expert": (0.0, 0.5, 0.0, 0.25, 1.25e-4, 6),
    "vgg16_ilsvrc_cls_expert": (1.0, 0.0, 0.04, 0.1, 5.85e-5, 36),
    "vgg16_ilsvrc_loc_expert": (0.0, 1.0, 1e-6, 0.25, 6e-5, 36),
    "inception_v3_ilsvrc_cls_expert": (1.0, 0.0, 0.0, 0.15, 2e-3, 72),
    "inception_v3_ilsvrc_loc_expert": (0.0, 1.0, 0.0, 0.25, 2e-4, 72),
    "resnet50_ilsvrc_cls_expert": (1.0, 0.0, 0.0, 0.15, 7.5e-4, 32),
    "resnet50_ilsvrc_loc_expert": (0.0, 1.0, 0.0, 0.25, 1.4e-5, 24),
    "efficientnet_lite0_cub_cls_expert": (1.0, 0.0, 0.0, 0.15, 2e-3, 16),
    "efficientnet_lite0_cub_loc_expert": (0.0, 0.5, 0.0, 0.25, 2e-3, 16),
    "resnet18_toy_cls_expert": (1.0, 0.0, 0.0, 0.15, 0.05, 32),
    "resnet18_toy_loc_expert": (0.0, 0.5, 0.0, 0.25, 0.05, 32),
}


def network(stem):
    return next(name for name in STUDENTS if stem.startswith(name))


def shapes(module):
    return {key: value.shape for key, value in module.state_dict().items()}


@pytest.mark.parametrize("name", STUDENTS)
def test_students(name, load_config, meta_device):
    rate, batch, epochs, temperature = STUDENTS[name]
    cfg = load_config(f"kg_ci_cam/{name}.py")
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.optim_wrapper.optimizer.lr == rate
    assert cfg.train_cfg.max_epochs == epochs
    model = build(cfg, meta_device)
    assert (model.alpha, model.head.rho, model.routing) == (0.8, 0.0, "all")
    cls, loc = model.guidance.values()
    assert (cls.temperature, cls.kl_input) == (temperature, "log_probabilities")
    assert (loc.temperature, loc.squash) == (temperature, "softmax")
    data = name.rsplit("_", 1)[1]
    rate = 0.2 if "lite0" in name else {"cub": 0.01, "ilsvrc": 0.001, "toy": 0.1}[data]
    assert model.head.context_pool.rate == rate
    for kind, teacher in model.teachers.items():
        # the network, and the file that the expert's training leaves
        expert = load_config(f"kg_ci_cam/{name}_{kind}_expert.py")
        assert shapes(teacher.network) == shapes(build(expert, meta_device)) == shapes(model)
        metric = expert.default_hooks.checkpoint.save_best.replace("/", "_")
        assert metric == {"cls": "wsol_top1_cls", "loc": "wsol_gt_known"}[kind]
        assert teacher.checkpoint == f"work_dirs/{name}_{kind}_expert/best_{metric}_*.pth"


@pytest.mark.parametrize("name", EXPERTS)
def test_experts(name, load_config, meta_device):
    cfg = load_config(f"kg_ci_cam/{name}.py")
    model = build(cfg, meta_device)
    losses = (model.loss_fore, model.loss_difference, model.loss_area)
    assert (
        *(loss.loss_weight if loss else 0.0 for loss in losses),
        model.threshold,
        cfg.optim_wrapper.optimizer.lr,
        cfg.train_dataloader.batch_size,
    ) == RECIPES[name]
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size
    assert model.head.rho == 1.0
    assert model.masked_batch_norm == "running"


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("vgg16_cub", 0.1),
        ("vgg16_cub_cls_expert", 0.1),
        ("inception_v3_cub", 0.6),
        ("inception_v3_cub_cls_expert", 0.6),
        ("inception_v3_cub_loc_expert", 0.8),
        ("vgg16_ilsvrc", 1.0),
    ],
)
def test_shares_of_the_rate(name, share, load_config, meta_device):
    cfg = load_config(f"kg_ci_cam/{name}.py")
    model = build(cfg, meta_device)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    lr = cfg.optim_wrapper.optimizer.lr
    for group in build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups:
        for parameter in group["params"]:
            name = names.pop(id(parameter))
            full = name.startswith("head.fc.")
            assert group["lr"] == pytest.approx(lr if full else lr * share), name
    assert all(name.startswith("teachers.") for name in names.values())


@pytest.mark.parametrize(
    ("name", "epochs", "steps"),
    [
        ("vgg16_cub", 100, lambda e: 0.5 ** (e // 40)),
        ("vgg16_cub_paper", 100, lambda e: 0.5 ** (e // 40)),
        ("vgg16_cub_loc_expert_paper", 100, lambda e: 0.5 ** (e // 14)),
        ("vgg16_cub_cls_expert", 100, lambda e: 0.5 ** (e // 14)),
        ("vgg16_cub_loc_expert", 100, lambda e: 0.5 ** (e // 14)),
        ("inception_v3_cub", 100, lambda e: 0.5 ** (e // 50) * (0.1 if e >= 85 else 1)),
        ("inception_v3_cub_cls_expert", 100, lambda e: 0.5 ** (e // 20) * (0.1 if e >= 85 else 1)),
        ("vgg16_ilsvrc_cls_expert", 20, lambda e: 0.1 ** (e // 10)),
    ],
)
def test_schedules(name, epochs, steps, load_config):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedulers = [
        PARAM_SCHEDULERS.build(settings, default_args={"optimizer": optimizer})
        for settings in load_config(f"kg_ci_cam/{name}.py").param_scheduler
    ]
    for epoch in range(epochs):
        expected = (1 - epoch / epochs) ** 0.9 * steps(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected), epoch
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()


# What the text says where the code does otherwise.
TEXT = {
    "model.layers",
    "model.head.context_pool.update_on",
    "model.head.context_pool.update_order",
    "model.head.combination.name",
    "model.head.combination.split",
    "train_pipeline",
    "train_dataloader.dataset.pipeline",
    "optim_wrapper.optimizer.betas",
}
CROP = {
    "test_pipeline",
    "test_dataloader.dataset.pipeline",
    "test_evaluator.protocol",
    "test_evaluator.threshold",
}


@pytest.mark.parametrize(
    ("name", "parent", "keys"),
    [
        ("vgg16_cub_ci_cam_paper", "vgg16_cub_ci_cam", TEXT),
        ("vgg16_cub_cls_expert_paper", "vgg16_cub_cls_expert", {*TEXT, "model.head.rho"}),
        ("vgg16_cub_loc_expert_paper", "vgg16_cub_loc_expert", {*TEXT, "model.head.rho"}),
        (
            "vgg16_cub_paper",
            "vgg16_cub",
            {
                *TEXT,
                *(
                    key.replace("model.", f"model.{kind}_teacher.config.")
                    for kind in ("cls", "loc")
                    for key in TEXT
                    if key.startswith("model.")
                ),
                "model.cls_teacher.checkpoint",
                "model.loc_teacher.checkpoint",
            },
        ),
        (
            "vgg16_cub_released",
            "vgg16_cub",
            {
                "model.head.context_pool.rate",
                "model.cls_guidance.kl_input",
                "model.loc_guidance.squash",
                "model.routing",
                "model.cls_teacher.checkpoint",
                "model.loc_teacher.checkpoint",
            },
        ),
        ("vgg16_cub_top1_loc", "vgg16_cub", {"model.loc_teacher.checkpoint"}),
        ("vgg16_cub_centre_crop", "vgg16_cub", CROP),
        ("inception_v3_cub_centre_crop", "inception_v3_cub", CROP),
        ("resnet50_cub_centre_crop", "resnet50_cub", CROP),
        ("vgg16_ilsvrc_centre_crop", "vgg16_ilsvrc", CROP),
        ("inception_v3_ilsvrc_centre_crop", "inception_v3_ilsvrc", CROP),
        ("resnet50_ilsvrc_centre_crop", "resnet50_ilsvrc", CROP),
        ("vgg16_cub_cls_expert_released", "vgg16_cub_cls_expert", {"model.masked_batch_norm"}),
        (
            "vgg16_cub_loc_expert_released",
            "vgg16_cub_loc_expert",
            {"model.masked_batch_norm", "model.threshold"},
        ),
    ],
)
def test_variants_change_what_they_say_and_nothing_else(name, parent, keys, load_config):
    before = load_config(f"kg_ci_cam/{parent}.py").to_dict()
    assert set(difference(before, load_config(f"kg_ci_cam/{name}.py").to_dict())) == keys


@pytest.mark.parametrize(
    ("name", "size", "side", "threshold"),
    [
        ("vgg16_cub", 344, 224, 0.14),
        ("inception_v3_cub", 500, 299, 0.21),
        ("resnet50_cub", 344, 224, 0.21),
        ("vgg16_ilsvrc", 288, 224, 0.11),
        ("inception_v3_ilsvrc", 404, 299, 0.11),
        ("resnet50_ilsvrc", 304, 224, 0.11),
    ],
)
def test_the_papers_test(name, size, side, threshold, load_config):
    cfg = load_config(f"kg_ci_cam/{name}_centre_crop.py")
    _, resize, crop, *rest = cfg.test_dataloader.dataset.pipeline
    assert resize == {"type": "wsol_mm.Resize", "scale": (size, size)}
    assert crop == {"type": "wsol_mm.CenterCrop", "crop_size": side}
    assert rest == load_config(f"kg_ci_cam/{name}.py").test_pipeline[2:]
    protocol = get_protocol(cfg.test_evaluator.protocol)
    assert (protocol.frame, protocol.threshold, protocol.geometry) == (side, threshold, "input")


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_is_its_ci_cam_with_guidance(name, load_config):
    before = load_config(f"kg_ci_cam/{name}_ci_cam.py").to_dict()
    assert before["model"]["head"]["rho"] == 0.0
    assert set(difference(before, load_config(f"kg_ci_cam/{name}.py").to_dict())) == {
        "model.type",
        *(f"model.{kind}_{part}" for kind in ("cls", "loc") for part in ("teacher", "guidance")),
    }


def test_the_text_has_three_non_local_blocks_experts_of_its_own_kind_and_augmentation(
    load_config, meta_device
):
    configs = {stem: load_config(f"kg_ci_cam/{stem}.py") for stem in PAPER}
    assert len(configs) == 4
    for cfg in configs.values():
        assert [entry.after for entry in cfg.model.layers] == [
            f"backbone.features.{number}" for number in (9, 13, 16)
        ]
        augment = TRANSFORMS.build({**cfg.train_pipeline[1], "_scope_": "mmpretrain"})
        assert (augment.num_policies, augment.magnitude_level, augment.total_level) == (3, 10, 30)
        assert cfg.optim_wrapper.optimizer.betas == (0.9, 0.99)
    student = build(configs["vgg16_cub_paper"], meta_device)
    for kind, teacher in student.teachers.items():
        expert = build(configs[f"vgg16_cub_{kind}_expert_paper"], meta_device)
        assert shapes(teacher.network) == shapes(expert) == shapes(student)
        assert teacher.checkpoint.split("/")[1] == f"vgg16_cub_{kind}_expert_paper"


def test_all_students_and_experts_have_ci_cams_data(load_config):
    for stem in STEMS:
        if stem.endswith(("_centre_crop", "_paper")):
            continue
        base = load_config(f"ci_cam/{network(stem)}.py").to_dict()
        ours = load_config(f"kg_ci_cam/{stem}.py").to_dict()
        for key in difference(base, ours):
            assert key.startswith(
                (
                    "model.",
                    "optim_wrapper.",
                    "param_scheduler",
                    "train_dataloader.batch_size",
                    "auto_scale_lr.base_batch_size",
                    "default_hooks.checkpoint.save_best",
                )
            ), (stem, key)


def test_quoted_rows_agree_with_each_other():
    """Rows that the paper prints twice, and its differences, as a check of the copying."""
    tables: dict[str, dict[tuple[str, ...], list[str]]] = {}
    rows: dict[tuple[str, ...], list[str]] = {}
    for line in (KG / "README.md").read_text().splitlines():
        if line.startswith("### Table"):
            rows = tables.setdefault(line.split()[2].rstrip(":"), {})
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        numbers = [cell for cell in cells if re.fullmatch(r"[+-]?\d+\.\d+", cell)]
        if line.startswith("|") and numbers:
            rows[tuple(cells[: cells.index(numbers[0])])] = numbers
    for backbone in ("VGG16", "InceptionV3", "ResNet50"):
        nl_ccam = tables["V"][backbone, "yes", "", ""]
        causal = tables["V"][backbone, "yes", "yes", ""]
        full = tables["V"][backbone, "yes", "yes", "yes"]
        assert full == tables["VI"][backbone, "yes", "yes", "yes"]
        assert causal == tables["VI"][backbone, "yes", "", ""]
        assert full[:3] == tables["II"]["KG-CI-CAM", backbone][:3]
        assert nl_ccam[:3] == tables["II"]["NL-CCAM", backbone][:3]
        place = ("VGG16", "InceptionV3", "ResNet50").index(backbone)
        cam, gain = (float(tables["III"][name,][place]) for name in ("CAM", "KG-CI-CAM"))
        assert float(full[3]) == pytest.approx(cam + gain)
