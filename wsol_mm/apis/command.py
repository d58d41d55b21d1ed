"""What the command-line tools share: options, config loading, errors as one line.

Imports no toolbox, so that ``--help`` and a wrong path are answered at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

    from wsol_mm.engine.strict_checkpoint import StrictCheckpointHook
    from wsol_mm.evaluation.results import Results

_STEPS = frozenset(("train_step", "val_step", "test_step"))


class KeyValues(argparse.Action):
    """mmengine's ``DictAction``, which is imported where the option is used and not before."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Parse ``a.b=1 a.c="[1,2]"`` into a dict."""
        from mmengine.config import DictAction

        for value in values:
            if "=" not in value:
                parser.error(f"{option_string} {value}: expected KEY=VALUE")
        DictAction([], self.dest, nargs="+")(parser, namespace, values, option_string)


def add_general_options(parser: argparse.ArgumentParser) -> None:
    """Add the option that every tool takes."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of what every evaluation writes, and the general one."""
    parser.add_argument("--out", type=Path, required=True, help="json file to write")
    parser.add_argument("--records", type=Path, help="also write the records, an npz file")
    parser.add_argument("--bootstrap", type=int, default=1000, help="resamples of the intervals")
    add_general_options(parser)


def print_results(results: Results) -> None:
    """Print an evaluation's table and, to stderr, its warning."""
    print(results.table())
    if results.warning():
        print(f"warning: {results.warning()}", file=sys.stderr)


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every tool with a config takes."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=KeyValues,
        default={},
        metavar="KEY=VALUE",
        help='override config keys: a.b=1 a.c="[1,2]"; they are printed',
    )
    add_general_options(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every tool around a Runner takes."""
    parser.add_argument("--work-dir", help="where logs and results go (./work_dirs/<config name>)")
    parser.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none")
    parser.add_argument(
        "--local-rank", "--local_rank", type=int, default=0, help="set by launchers"
    )
    parser.add_argument(
        "--trust-checkpoint",
        action="store_true",
        help="unpickle anything in the checkpoints; they can then run code",
    )
    parser.add_argument(
        "--allow-missing",
        nargs="+",
        default=[],
        metavar="PREFIX",
        help="keys that the checkpoint, or the network, may lack; else both must have the same",
    )
    add_config_options(parser)


def check_paths(config: str, checkpoint: str | None = None) -> None:
    """Refuse paths that do not exist, before anything is imported.

    Args:
        config: A file, or ``package::name``.
        checkpoint: A file or an address; None for none.

    Raises:
        FileNotFoundError: It names the path, and what makes a checkpoint.
    """
    if "::" not in config and not Path(config).is_file():
        raise FileNotFoundError(f"config {config} does not exist")
    if checkpoint is not None and "://" not in checkpoint and not Path(checkpoint).is_file():
        raise FileNotFoundError(
            f"checkpoint {checkpoint} does not exist: tools/train.py {config} makes one"
        )


def load_config(args: argparse.Namespace) -> Config:
    """Load ``args.config``, apply and print ``--cfg-options``, set launcher and work dir.

    Args:
        args: Result of a parser with ``config`` and :func:`add_run_options`.

    Returns:
        The config. ``work_dir`` is the option, else the config's own, else
        ``./work_dirs/<config name>``.

    Raises:
        FileNotFoundError: There is no such config.
    """
    check_paths(args.config)
    from mmengine.device import get_device

    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg = read_config(args.config)
    for key, value in args.cfg_options.items():
        known, old = _lookup(cfg, key)
        print(f"override: {key} = {value!r} (" + (f"was {old!r})" if known else "a new key)"))
    cfg.merge_from_dict(dict(args.cfg_options))
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(args.config).stem)
    if get_device() == "cpu":  # torch warns in each epoch where there is nothing to pin for
        for split in ("train", "val", "test"):
            if cfg.get(f"{split}_dataloader"):
                cfg[f"{split}_dataloader"].pin_memory = False
    return cfg


def read_config(config: str) -> Config:
    """The config of a file, or of an installed package: ``wsol_mm::cam/resnet18_toy.py``.

    Raises:
        FileNotFoundError: There is no such file.
    """
    from mmengine.config import Config

    import wsol_mm.registry  # noqa: F401 - makes `wsol_mm::...` work, as a base too

    return Config.fromfile(Config._get_cfg_path(config, "")[0] if "::" in config else config)


def build_runner(
    cfg: Config, *, trust_checkpoint: bool = False, allow_missing: Sequence[str] = ()
) -> Runner:
    """Build the Runner of a config: strict checkpoints, and several processes also without GPUs.

    ``classes_from_data`` of the config is obeyed first (:func:`take_classes_from_data`).

    Args:
        cfg: Result of :func:`load_config`.
        trust_checkpoint: Unpickle anything in checkpoints (``--trust-checkpoint``).
        allow_missing: Prefixes of keys that checkpoint or network may lack (``--allow-missing``);
            see :class:`wsol_mm.engine.StrictCheckpointHook`.

    Returns:
        The Runner; ``runner_type`` in the config may name another class than mmengine's.
    """
    from mmengine.device import get_device
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from wsol_mm.apis.class_count import take_classes_from_data
    from wsol_mm.engine.freed_memory import keep_freed_memory
    from wsol_mm.engine.launch import prepare_launch
    from wsol_mm.engine.strict_checkpoint import use_strict_checkpoints
    from wsol_mm.models.cpu_layout import lay_out_for_cpu_training

    use_strict_checkpoints(trust=trust_checkpoint)
    prepare_launch(cfg)
    take_classes_from_data(cfg)
    if cfg.get("optim_wrapper"):
        cfg.optim_wrapper.setdefault("constructor", "wsol_mm.GroupedOptimWrapperConstructor")
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    if get_device() == "cpu":
        lay_out_for_cpu_training(runner.model)
        keep_freed_memory()
    strict_checkpoint_hook(runner).allow_missing += tuple(allow_missing)
    return runner


def strict_checkpoint_hook(runner: Runner) -> StrictCheckpointHook:
    """The hook that compares checkpoint, network and data; registered where the config has none."""
    from wsol_mm.engine.strict_checkpoint import StrictCheckpointHook

    hooks = [hook for hook in runner.hooks if isinstance(hook, StrictCheckpointHook)]
    if not hooks:
        hooks = [StrictCheckpointHook()]
        runner.register_hook(hooks[0])
    return hooks[0]


def strip_pretrained(node: Any, path: str = "model") -> list[str]:
    """Remove every pretrained initialisation from a model config, in place.

    ``init_cfg`` of type ``Pretrained`` is removed (from a list, only that entry), so that the
    module's own random initialisation applies; ``pretrained`` becomes None, or False where it was
    True.

    Args:
        node: Model config.
        path: Its key, for the result.

    Returns:
        The keys that were changed.

    Examples:
        >>> model = dict(backbone=dict(init_cfg=dict(type="Pretrained", checkpoint="x.pth")))
        >>> strip_pretrained(model), model
        (['model.backbone.init_cfg'], {'backbone': {}})
    """
    changed: list[str] = []
    if isinstance(node, (list, tuple)):
        for index, item in enumerate(node):
            changed += strip_pretrained(item, f"{path}.{index}")
    if not isinstance(node, dict):
        return changed
    for key in list(node):
        value = node[key]
        if key == "pretrained" and value:
            node[key] = False if value is True else None
            changed.append(f"{path}.{key}")
        elif key == "init_cfg" and _is_pretrained(value):
            del node[key]
            changed.append(f"{path}.{key}")
        elif key == "init_cfg" and isinstance(value, (list, tuple)):
            kept = [item for item in value if not _is_pretrained(item)]
            if len(kept) < len(value):
                node[key] = kept
                changed.append(f"{path}.{key}")
        else:
            changed += strip_pretrained(value, f"{path}.{key}")
    return changed


@contextmanager
def one_line_errors(debug: bool = False) -> Iterator[None]:
    """End on errors of input, config and environment with one line and exit code 2.

    Errors inside a training, validation or test step keep their traceback, as do all with
    ``debug``; so does what is not an ``Exception``.

    Args:
        debug: Show tracebacks.

    Raises:
        SystemExit: With code 2, in place of the error.
    """
    try:
        yield
    except Exception as error:
        frames = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        if debug or (frames & _STEPS and not _of_checkpoint(error)):
            raise
        print(f"error: {describe(error)}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None


def describe(error: Exception) -> str:
    """An error as one line; a data worker's error is that of the data set.

    Examples:
        >>> describe(ValueError("data/x.txt, line 3: no label"))
        'data/x.txt, line 3: no label'
        >>> describe(KeyError("depth"))
        "KeyError: 'depth' (--debug shows where)"
    """
    text = str(error).strip()
    if text.startswith("Caught "):
        text = text.splitlines()[-1].strip().partition(": ")[2]
    text = " ".join(text.split())
    bare = isinstance(error, KeyError) and " " not in text
    if not bare and text and (isinstance(error, (ValueError, OSError)) or _of_checkpoint(error)):
        return text
    if isinstance(error, KeyError) and not bare:
        return text.strip("'\"")
    return f"{type(error).__name__}: {text} (--debug shows where)"


def _of_checkpoint(error: Exception) -> bool:
    """Whether it is a ``CheckpointError``; it is none where their module is not imported."""
    module = sys.modules.get("wsol_mm.engine.whole_checkpoint")
    return module is not None and isinstance(error, module.CheckpointError)


def _is_pretrained(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("type")).split(".")[-1] == "Pretrained"


def _lookup(node: Any, key: str) -> tuple[bool, Any]:
    for part in key.split("."):
        if (isinstance(node, Mapping) or hasattr(node, "merge_from_dict")) and part in node:
            node = node[part]
        elif isinstance(node, (list, tuple)) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return False, None
    return True, node
