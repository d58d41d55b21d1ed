#!/usr/bin/env bash
# Create or complete the environment in .venv. Safe to run again: a second run takes a second.
#
# PYTHON           interpreter to start from (default: python3; 3.10 or later)
# WSOL_COMPILE_OPS 1 compiles mmcv's operators (about 11 minutes on 2 cores, needs a C++ compiler);
#                  by default wsol_mm/compat stands in for them and no compiler is looked for
# FORCE_CUDA       1 compiles them for CUDA too
# WSOL_WHEEL_CACHE where the compiled mmcv wheel is kept (default: ~/.cache/wsol_mm/wheels)
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
venv=.venv
constraints=requirements/constraints.txt
compile=0
if [ "${WSOL_COMPILE_OPS:-0}" = 1 ] || [ "${FORCE_CUDA:-0}" = 1 ]; then compile=1; fi
say() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }
die() { printf 'setup failed: %s\n' "$*" >&2; exit 1; }
part() { say "$*"; started=$SECONDS; }
took() { say "  took $((SECONDS - started)) s"; }

stamp=$venv/.complete-$(cat "$0" setup.py requirements/*.txt | sha256sum | cut -c1-16)
# an environment with compiled operators serves those who did not ask for them too
if [ -e "$stamp" ] && { [ $compile = 0 ] || [ -e "$stamp-ops" ]; }; then exit 0; fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$python is older than Python 3.10; point PYTHON at a newer one"
if [ $compile = 1 ]; then
    command -v c++ >/dev/null ||
        die "no C++ compiler, which mmcv's operators need: apt-get install build-essential, or" \
            "leave WSOL_COMPILE_OPS and FORCE_CUDA unset"
fi
if [ ! -x $venv/bin/python ]; then
    "$python" -m venv $venv || die "python has no venv module: apt-get install python3-venv"
fi
pip() { $venv/bin/python -m pip --disable-pip-version-check "$@"; }

part "pip and setuptools"
pip install -q -c $constraints pip setuptools
took

part "torch and torchvision (about 3 GB the first time)"
pip install -q --progress-bar on -c $constraints torch torchvision
took

part "OpenMMLab packages and the tools of this repository"
pip install -q --progress-bar on -c $constraints -r requirements/runtime.txt \
    -r requirements/onedl.txt -r requirements/dev.txt -r requirements/optional.txt \
    -r requirements/pretrained.txt
took

part "this package"
# imaug, a dependency of mmpretrain, brings opencv-python, which needs libGL: the headless build
# must be the one whose files lie on disk.
pip uninstall -q -y opencv-python opencv-contrib-python 2>/dev/null || true
pip install -q --no-deps --force-reinstall -c $constraints opencv-python-headless
PYTHONWARNINGS=ignore pip install -q --no-deps --no-build-isolation -e .
# an editable install leaves out what the wheel brings: `import mmdet` finds wsol_mm/compat alone
cp wsol_mm/compat/wsol_mm_operators.pth \
    "$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
took

if [ $compile = 1 ]; then
    part "mmcv's compiled operators"
    pip install -q -c $constraints ninja packaging psutil wheel
    # pip's own cache does not know which torch a wheel was built against, so the wheel is kept in
    # a folder named by torch and Python version.
    mmcv=$(grep -oE '^onedl-mmcv==.*' $constraints)
    key=$($venv/bin/python -c 'import sys, platform, torch
print(f"torch{torch.__version__}-cp{sys.version_info[0]}{sys.version_info[1]}-{platform.machine()}")')
    if [ "${FORCE_CUDA:-0}" = 1 ]; then key=$key-cuda; fi
    cache=${WSOL_WHEEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wsol_mm/wheels}/$key
    if ! ls "$cache"/onedl_mmcv-"${mmcv##*=}"-*.whl >/dev/null 2>&1; then
        mkdir -p "$cache"
        building=$(mktemp -d "$cache/building.XXXXXX")
        trap 'rm -rf "$building"' EXIT
        FORCE_CUDA=${FORCE_CUDA:-0} MAX_JOBS=${MAX_JOBS:-$(nproc)} \
            $venv/bin/python -m pip --disable-pip-version-check wheel --no-build-isolation \
            --no-deps --no-cache-dir -v -w "$building" "$mmcv" >"$building/log" 2>&1 &
        job=$!
        while kill -0 $job 2>/dev/null; do
            sleep 15
            step=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$building/log" | tail -n 1) || true
            printf '\r[setup]   mmcv operators compiled: %s' "${step:-preparing}"
        done
        printf '\n'
        wait $job || { tail -n 30 "$building/log" >&2; die "mmcv did not compile (log above)"; }
        mv "$building"/onedl_mmcv-*.whl "$cache"/
    fi
    pip install -q --no-deps --force-reinstall "$cache"/onedl_mmcv-"${mmcv##*=}"-*.whl
    took
fi

part "check"
$venv/bin/python tools/misc/check_env.py
took
touch "$stamp"
if [ $compile = 1 ]; then touch "$stamp-ops"; fi
say "environment complete after $SECONDS s"
