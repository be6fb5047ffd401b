#!/bin/sh
# Make .venv-lxt, the Python environment of the contenders of bench/llm.py.
#
# LXT comes from its repository, at the commit compared with: the wheel on PyPI
# (2.1) lacks lxt.explicit.models. LXT_SOURCE may name a local copy instead.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=$here/../.venv-lxt
commit=f04344177551bfcc3665e88afe96501f43fe560b
source=${LXT_SOURCE:-git+https://github.com/rachtibat/LRP-eXplains-Transformers@$commit}

python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-lxt.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$source"
