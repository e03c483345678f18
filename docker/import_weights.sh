#!/bin/sh
# Verifies every BACKBONE.safetensors and BACKBONE.pth of a folder and puts what is needed of it into the weights cache.
set -eu
for file in "$1"/*.safetensors "$1"/*.pth; do
    [ -e "$file" ] || continue
    name=${file##*/}
    nominal weights import "${name%.*}" "$file"
done
nominal weights list
