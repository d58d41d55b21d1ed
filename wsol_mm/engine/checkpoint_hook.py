"""Checkpoints that survive a kill at any moment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner

from wsol_mm.io import atomic_write
from wsol_mm.registry import HOOKS

OUTDATED = "outdated_ckpts"
VALIDATED = "last_validation"


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, with whole files or none.

    The parent deletes the old checkpoint and then writes the new one in place, so a kill while
    saving leaves nothing to resume from. Here a checkpoint is written to a temporary file and
    renamed, then ``last_checkpoint`` is replaced, and only then are old checkpoints deleted; the
    same holds for best ones. What a kill leaves over (temporary files, outdated checkpoints) is
    removed when the run is resumed, and a validation it cut off is run again, so that the best
    checkpoint of a resumed run is that of an uninterrupted one.

    Metric names of this package (``wsol/...``) count as "greater is better". Arguments are those of
    the parent; checkpoints must go to a local folder.

    Raises:
        ValueError: Before training, if ``out_dir`` is not a local folder.
    """

    _default_greater_keys = [*CheckpointHook._default_greater_keys, "wsol", "loc", "pxap", "known"]

    _training = False

    def before_train(self, runner: Runner) -> None:
        """Remove what a kill left over and repeat a validation that it cut off."""
        super().before_train(runner)
        if not isinstance(self.file_backend, LocalBackend):
            raise ValueError(
                f"default_hooks.checkpoint.out_dir={self.out_dir!r} is not a local folder: "
                "AtomicCheckpointHook renames files; use type='CheckpointHook' for remote storage"
            )
        folder = Path(self.out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        # Names only: a path that comes from a checkpoint must not reach outside the folder.
        if self.save_best is not None and len(self.key_indicators) == 1:
            self.best_ckpt_path = self._inside(self.best_ckpt_path)
        elif self.save_best is not None:
            for key, path in self.best_ckpt_path_dict.items():
                self.best_ckpt_path_dict[key] = self._inside(path)
        if is_main_process():
            markers = Path(runner.work_dir).glob(".last_*.tmp")
            for leftover in [*folder.glob(".*.tmp.pth"), *markers]:
                leftover.unlink()
        self.last_ckpt = self._inside(runner.message_hub.runtime_info.get("last_ckpt"))
        self._remove(runner, runner.message_hub.runtime_info.get(OUTDATED, []))
        self._training = True
        if self._validation_was_cut_off(runner):
            runner.logger.info(f"The validation after epoch {runner.epoch} was cut off: run again")
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Save the best checkpoint, then note that this validation is complete.

        Outside training, as in ``tools/test.py``, there is nothing to save.
        """
        if not self._training:
            return
        super().after_val_epoch(runner, metrics)
        if is_main_process():
            with atomic_write(Path(runner.work_dir) / VALIDATED) as temporary:
                temporary.write_text(str(runner.epoch))

    def after_train(self, runner: Runner) -> None:
        """Publish what the parent publishes; a later validation selects nothing."""
        self._training = False
        super().after_train(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = list(runner.message_hub.runtime_info.get(OUTDATED, []))
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated.append(self.filename_tmpl.format(self.keep_ckpt_ids.popleft()))
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir) / name)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        # The new checkpoint says what it replaces, so that a resume can finish the removal.
        runner.message_hub.update_info(OUTDATED, outdated)
        self._save(
            runner,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            **self.args,
        )
        if is_main_process():
            with atomic_write(Path(runner.work_dir) / "last_checkpoint") as temporary:
                temporary.write_text(self.last_ckpt)
        self._remove(runner, outdated)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        if not self.save_best:
            return
        step = runner.epoch if self.by_epoch else runner.iter
        meta = {"epoch": runner.epoch, "iter": runner.iter}
        hub = runner.message_hub
        if "auto" in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        single = len(self.key_indicators) == 1
        updated = False
        for key, rule in zip(self.key_indicators, self.rules, strict=True):
            if key not in metrics:
                raise KeyError(
                    f"default_hooks.checkpoint.save_best={key!r} is not a validation metric: "
                    f"expected one of {sorted(metrics)}"
                )
            suffix = "" if single else f"_{key}"
            best = hub.runtime_info.get(f"best_score{suffix}", self.init_value_map[rule])
            score = metrics[key]
            if score is None or not self.is_better_than[key](score, best):
                continue
            updated = True
            old = self.best_ckpt_path if single else self.best_ckpt_path_dict[key]
            name = f"best_{key}_{self.filename_tmpl.format(step)}".replace("/", "_")
            path = str(Path(self.out_dir) / name)
            hub.update_info(f"best_score{suffix}", score)
            hub.update_info(f"best_ckpt{suffix}", path)
            if single:
                self.best_ckpt_path = path
            else:
                self.best_ckpt_path_dict[key] = path
            if old and Path(old).name != name:
                hub.update_info(OUTDATED, [*hub.runtime_info.get(OUTDATED, []), Path(old).name])
            self._save(
                runner,
                name,
                save_optimizer=False,
                save_param_scheduler=False,
                meta=dict(meta),
                by_epoch=False,
            )
            runner.logger.info(f"The best checkpoint, {key} {score:0.4f}, is saved to {name}.")
        if not updated:
            return
        if self.last_ckpt is not None:
            # Save again: the newest checkpoint must know the best one, or a resume would lose it.
            self._save_checkpoint_with_step(runner, step, meta)
        else:
            self._remove(runner, hub.runtime_info.get(OUTDATED, []))

    def _save(self, runner: Runner, name: str, **kwargs: Any) -> None:
        """Write one checkpoint into ``out_dir``: whole, or not at all."""
        if not is_main_process():
            return
        with atomic_write(Path(self.out_dir) / name) as temporary:
            runner.save_checkpoint(
                str(temporary.parent), temporary.name, backend_args=self.backend_args, **kwargs
            )

    def _remove(self, runner: Runner, names: Iterable[str]) -> None:
        """Delete outdated checkpoints of ``out_dir`` and forget them."""
        if is_main_process():
            for name in names:
                (Path(self.out_dir) / Path(name).name).unlink(missing_ok=True)
        runner.message_hub.update_info(OUTDATED, [])

    def _inside(self, path: str | None) -> str | None:
        return str(Path(self.out_dir) / Path(path).name) if path else None

    def _validation_was_cut_off(self, runner: Runner) -> bool:
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop) or runner.val_loop is None or loop.epoch == 0:
            return False
        due = loop.epoch >= loop.val_begin and (
            loop.epoch % loop.val_interval == 0 or loop.epoch == loop.max_epochs
        )
        marker = Path(runner.work_dir) / VALIDATED
        done = [marker.read_text().strip() if marker.is_file() else ""]
        broadcast_object_list(done)  # one answer for all ranks
        return due and done[0] != str(loop.epoch)
