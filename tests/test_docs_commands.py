"""Every shell command of the documents is one that its tool understands, on files that exist."""

import argparse
import inspect
import re
import runpy
import shlex
import sys
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, DefaultScope

import wsol_mm.registry  # noqa: F401 - wsol_mm:: bases
from wsol_mm.apis.command import _lookup

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += sorted((ROOT / "configs").glob("*/README.md"))
BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```", re.S | re.M)
FENCED = re.compile(r"^ *```.*?^ *```", re.S | re.M)
INLINE = re.compile(r"`((?:python|make|pip install|mim) [^`]+)`")
# what is not ours to check
SHELL = {
    "apt-get",
    "cd",
    "cp",
    "docker",
    "echo",
    "export",
    "git",
    "ls",
    "mkdir",
    "mv",
    "source",
    "unzip",
}
SHELL |= {"tensorboard", "mlflow", "wandb", "jupyter"}


class ParsedError(BaseException):
    """Raised in place of running a tool: what its parser made of the command."""


def commands(script):
    """Words of each command, without comments, with variables filled in."""
    known: dict[str, str] = {}
    for line in script.replace("\\\n", " ").splitlines():
        filled = re.sub(r"\$\{?(\w+)\}?", lambda name: known.get(name[1], name[0]), line)
        words = shlex.split(filled, comments=True)
        if words[:1] == ["for"]:
            known[words[1]] = words[3].rstrip(";")
            continue
        while words and re.match(r"\w+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            known[name] = value
        if words and words != ["done"]:
            yield words


def parsed(words):
    """The arguments of a tool, from its own parser; None where it answers and ends (--help)."""
    real = argparse.ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):
        raise ParsedError(real(parser, args, namespace))

    module, arguments = (words[2], words[3:]) if words[1] == "-m" else (None, words[2:])
    with (
        patch.object(argparse.ArgumentParser, "parse_args", stop),
        patch.object(sys, "argv", [words[2 if module else 1], *arguments]),
    ):
        try:
            if module:
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(str(ROOT / words[1]), run_name="__main__")
        except ParsedError as stopped:
            return stopped.args[0]
        except SystemExit as end:
            if end.code:
                raise AssertionError(f"{shlex.join(words)}: refused by its parser") from end
            return None
    raise AssertionError(f"{shlex.join(words)}: ran without parsing its arguments")


@cache
def config(path):
    return Config.fromfile(ROOT / path)


def check_options(path, options):
    """An overridden key is one that the config has, or that its part takes."""
    cfg = config(path)
    for key in options:
        found, _ = _lookup(cfg, key)
        owner, _, leaf = key.rpartition(".")
        known, part = _lookup(cfg, owner)
        assert found or (known and takes(part, leaf, cfg.default_scope)), f"{path} has no {key}"


def takes(part, key, scope):
    """Whether a part of a config has an argument of this name."""
    registries = (MODELS, DATASETS, METRICS, HOOKS)
    if not isinstance(part, dict) or "type" not in part:
        return False
    with DefaultScope.overwrite_default_scope(scope):
        kind = next(filter(None, (registry.get(part["type"]) for registry in registries)))
    return any(
        key in inspect.signature(base.__init__).parameters
        for base in kind.__mro__
        if "__init__" in base.__dict__
    )


def check_python(words):
    if words[1] == "-c":
        compile(words[2], "-c", "exec")
        return
    if words[1:3] == ["-m", "wsol_mm"]:
        words = (
            ["python", f"tools/{words[3]}.py", *words[4:]] if words[3:] else ["python", "-c", ""]
        )
        check_python(words)
        return
    if words[1] == "-m" and words[2].partition(".")[0] not in ("studies", "benchmarks"):
        return
    arguments = parsed(words)
    options = getattr(arguments, "cfg_options", None)
    if options and "::" not in arguments.config and (ROOT / arguments.config).is_file():
        check_options(arguments.config, options)


def check_pip(words):
    assert words[1] == "install", words
    extras = set(
        re.findall(r'^        "(\w+)": requirements', (ROOT / "setup.py").read_text(), re.M)
    )
    for word in words[2:]:
        asked = re.search(r"\[(.*)\]", word)
        if asked and not word.startswith("mk"):
            assert set(asked[1].split(",")) <= extras, word


def check_make(words):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert {word for word in words[1:] if "=" not in word} <= set(targets), words


def check(words):
    for word in words:
        if re.match(r"(configs|tools|studies|benchmarks)/.*\.(py|sh|yml)$", word):
            assert (ROOT / word).is_file(), word
    if words[0] == "python":
        check_python(words)
    elif words[0] == "pip":
        check_pip(words)
    elif words[0] == "make":
        check_make(words)
    elif words[0] == "mim":
        assert words[1] in ("download", "install", "run", "search", "test", "train"), words
    else:
        file = words[1] if words[0] == "bash" else words[0]
        assert file in SHELL or (ROOT / file).is_file(), f"{words}: teach this test the command"


def scripts(text):
    """The shell blocks of a page, and the commands inside its sentences and tables."""
    return BLOCK.findall(text) + INLINE.findall(FENCED.sub("", text).replace("\n", " "))


SCRIPTS = [
    pytest.param(script, id=f"{page.parent.name}-{page.stem}-{number}")
    for page in PAGES
    for number, script in enumerate(scripts(page.read_text()))
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_commands_are_understood(script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    for words in commands(script):
        check(words)


def test_there_are_commands_to_check():
    assert len(SCRIPTS) > 60
