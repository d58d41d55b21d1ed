"""Every config: parses, extends a parent library, repeats nothing, builds full-size and runs."""

import ast
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.py"))
RUNNABLE = [name for name in FILES if not name.startswith("_base_/")]
# With random weights the sign of their eigenvector is a matter of rounding.
SIGN_BY_ROUNDING = ("lcar/sd_cam_vit_small_p16_cub.py", "tokencut/vit_small_p16_cub_paper.py")
# Without a GPU one skipped test stands for all.
ON_A_GPU = RUNNABLE if torch.cuda.is_available() else RUNNABLE[:1]
METHODS = [name for name in FILES if name.startswith("_base_/methods/")]

# Largest widths in the tests that run a network; the full-size build covers the rest.
SLIM = {"fc_out_channels": 32, "feat_channels": 256, "num_classes": 10, "split": 5, "lowest": 5}


def split(path):
    """The `_base_` entries written in one file, and the syntax tree of the rest."""
    # mmengine's `{{_base_.key}}` means the same as `_base_.key`
    tree = ast.parse(re.sub(r"\{\{(.*?)\}\}", r"\1", path.read_text()))
    bases = []
    for node in list(tree.body):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_base_":
            value = ast.literal_eval(node.value)
            bases = [value] if isinstance(value, str) else value
            tree.body.remove(node)
    return bases, tree


def states_a_value(tree):
    """Whether a body says more than which parts of its bases it takes."""
    taken = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "pop":
            taken.update(map(id, node.args))
        elif isinstance(node, ast.Subscript):
            taken.update(map(id, ast.walk(node.slice)))
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return any(id(node) not in taken for node in constants)


def chain(path):
    """All `_base_` entries from one file up."""
    for base in split(path)[0]:
        yield base
        if "::" not in base:
            yield from chain((path.parent / base).resolve())


def repeated(own, inherited, prefix=""):
    """Dotted keys that say again what the bases say already."""
    for key, value in own.items():
        if key not in inherited or key.startswith("_"):
            continue
        if isinstance(value, dict) and isinstance(inherited[key], dict):
            if not value.get("_delete_"):
                yield from repeated(value, inherited[key], f"{prefix}{key}.")
        elif value == inherited[key]:
            yield f"{prefix}{key}"


def slim(node):
    """A copy of a config node with no width above `SLIM`."""
    if isinstance(node, dict):
        return {
            key: min(value, SLIM[key]) if key in SLIM else slim(value)
            for key, value in node.items()
        }
    return [slim(value) for value in node] if isinstance(node, list | tuple) else node


def unloaded(node):
    """A copy of a config node without first weights: no test loads them."""
    if isinstance(node, dict):
        return {key: unloaded(value) for key, value in node.items() if key != "init_cfg"}
    return [unloaded(value) for value in node] if isinstance(node, list | tuple) else node


def model_dict(cfg):
    """The model as a Runner would build it: with the config's data preprocessor."""
    model = cfg.model.to_dict()
    if "data_preprocessor" in cfg:
        model.setdefault("data_preprocessor", cfg.data_preprocessor.to_dict())
    return model


def build(cfg, model):
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(ConfigDict(model))


def image(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 96, 96), generator=generator, dtype=torch.uint8)


def classification_batch():
    from mmpretrain.structures import DataSample

    return {
        "inputs": torch.stack([image(0), image(1)]),
        "data_samples": [DataSample().set_gt_label(label) for label in (1, 0)],
    }


def detection_batch():
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    samples = []
    for i in range(2):
        meta = {
            "img_id": str(i),
            "img_shape": (96, 96),
            "ori_shape": (48, 48),
            "scale_factor": (2.0, 2.0),
            "homography_matrix": torch.diag(torch.tensor([2.0, 2.0, 1.0])).double().numpy(),
            "gt_label": i,
        }
        sample = DetDataSample(metainfo=meta)
        no_labels = torch.zeros(0, dtype=torch.int64)
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[10.0, 12.0, 60.0, 70.0]]), labels=no_labels.new_zeros(1)
        )
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=no_labels)
        samples.append(sample)
    return {"inputs": [image(0), image(1)], "data_samples": samples}


def check_localizer(sample):
    assert sample.pred_score.sum().item() == pytest.approx(1, abs=1e-4)
    # -1: a map that serves every class
    assert sample.map_labels.tolist() == [-1] or sample.map_labels[0] == sample.gt_label
    assert sample.map_labels.unique().numel() == sample.map_labels.numel()
    assert sample.pred_maps.shape[0] == sample.map_labels.numel()
    assert min(sample.pred_maps.shape[1:]) > 1
    assert sample.pred_maps.dtype == torch.float32
    assert sample.pred_maps.isfinite().all()


def check_detector(sample):
    found = sample.pred_instances
    assert found.bboxes.shape == (len(found.scores), 4)
    assert (found.labels == 0).all()
    assert found.bboxes.numel() == 0 or 0 <= found.bboxes.min() <= found.bboxes.max() <= 48


@pytest.mark.parametrize("name", FILES)
def test_repeats_no_inherited_value(name, load_config):
    path = CONFIGS / name
    bases, tree = split(path)
    inherited = {}
    for base in bases:
        base_path, _ = Config._get_cfg_path(base, str(path))
        inherited.update(load_config(str(Path(base_path).resolve())).to_dict())
    names = {"_base_": ConfigDict(inherited)}
    own = {}
    exec(compile(tree, str(path), "exec"), names, own)
    assert list(repeated(own, inherited)) == []


def test_no_two_configs_state_the_same_values():
    """What several configs share stands in a base: under ``_base_/methods`` if no key is free."""
    stated = {}
    for name in RUNNABLE:
        tree = split(CONFIGS / name)[1]
        if states_a_value(tree):
            stated.setdefault(ast.unparse(tree), []).append(name)
    assert [names for names in stated.values() if len(names) > 1] == []


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_one_key_that_configs_take(name, load_config):
    """MMEngine refuses two bases with one key, so a method has its own, which leaves by ``pop``."""
    key = Path(name).stem
    assert list(load_config(name)) == [key]
    users = [config for config in RUNNABLE if f"../{name}" in split(CONFIGS / config)[0]]
    assert users
    assert [config for config in users if key in load_config(config)] == []


@pytest.mark.parametrize("name", RUNNABLE)
def test_extends_a_parent_library_and_keeps_its_scope(name, load_config):
    libraries = {base.split("::")[0] for base in chain(CONFIGS / name) if "::" in base}
    scope = load_config(name).default_scope
    assert scope in ("mmpretrain", "mmdet")
    assert scope in libraries


@pytest.mark.parametrize("name", RUNNABLE)
def test_has_what_a_run_needs(name, load_config):
    cfg = load_config(name)
    assert cfg.auto_scale_lr.base_batch_size > 0
    assert cfg.randomness.seed is not None
    assert cfg.default_hooks.checkpoint.save_best.startswith("wsol/")
    for part in ("train", "val", "test"):
        assert cfg.get(f"{part}_cfg") is not None, part
        assert cfg[f"{part}_dataloader"].dataset.split == part


@pytest.mark.parametrize("name", RUNNABLE)
def test_builds_full_size(name, load_config, meta_device, first_time):
    cfg = load_config(name)
    model = model_dict(cfg)
    if not first_time("build", cfg.default_scope, model):
        return
    with meta_device:
        model = build(cfg, model)
    real = {name for name, parameter in model.named_parameters() if not parameter.is_meta}
    # Deformable DETR makes this one by a call that knows no device
    assert real <= {"detector.level_embed"}
    assert sum(parameter.numel() for parameter in model.parameters()) > 10_000


def tools_of(cfg):
    """What a config's model is fed with here, and how its predictions are checked."""
    if cfg.default_scope == "mmdet":
        return detection_batch, check_detector
    return classification_batch, check_localizer


def fill_pool(model):
    """What OracleContextHook does before the first step."""
    pool = getattr(getattr(model, "head", None), "context_pool", None)
    if hasattr(pool, "fill"):
        pool.contexts.normal_()


def predict(model, make_batch, check):
    """Predictions of a batch of two, checked."""
    model.eval()
    with torch.no_grad():
        samples = model.test_step(make_batch())
    assert len(samples) == 2
    for sample in samples:
        check(sample)
    return samples


@pytest.mark.parametrize("name", RUNNABLE)
def test_trains_and_predicts_one_step(name, load_config, first_time):
    cfg = load_config(name)
    model = unloaded(slim(model_dict(cfg)))
    if not first_time("step", cfg.default_scope, model, cfg.optim_wrapper.get("paramwise_cfg")):
        return
    torch.manual_seed(0)
    model = build(cfg, model)
    fill_pool(model)
    make_batch, check = tools_of(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        # what a config freezes has no step to make
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        before = [parameter.detach().clone() for parameter in trained]
        logged = model.train_step(make_batch(), build_optim_wrapper(model, cfg.optim_wrapper))
        assert "loss" in logged
        assert all(value.isfinite().all() for value in logged.values()), logged
        changed = [not torch.equal(old, new) for old, new in zip(before, trained, strict=True)]
        assert sum(changed) > len(changed) / 2
        predict(model, make_batch, check)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ON_A_GPU)
def test_a_gpu_predicts_what_a_cpu_does_and_trains_in_mixed_precision(
    name, load_config, first_time, monkeypatch
):
    cfg = load_config(name)
    model = unloaded(slim(model_dict(cfg)))
    if not first_time("cuda", cfg.default_scope, model, cfg.optim_wrapper.get("paramwise_cfg")):
        return
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    model = build(cfg, model)
    fill_pool(model)
    make_batch, check = tools_of(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        on_cpu = predict(model, make_batch, check)
        model.cuda()
        on_gpu = predict(model, make_batch, check)
        for one, other in zip(on_cpu, on_gpu, strict=True):
            if cfg.default_scope != "mmpretrain":
                continue
            torch.testing.assert_close(other.pred_score.cpu(), one.pred_score, rtol=1e-3, atol=1e-4)
            if name not in SIGN_BY_ROUNDING:
                largest = one.pred_maps.abs().max()
                far = (other.pred_maps.cpu() - one.pred_maps).abs().max()
                assert far <= 1e-3 * largest + 1e-5
        for kind in ("OptimWrapper", "AmpOptimWrapper"):
            wrapper = build_optim_wrapper(model, ConfigDict({**cfg.optim_wrapper, "type": kind}))
            model.train()
            logged = model.train_step(make_batch(), wrapper)
            assert all(value.isfinite().all() for value in logged.values()), (kind, logged)
            predict(model, make_batch, check)
