#!/bin/sh
# Builds ../gemma.wasm from the C sources beside this script; needs clang and lld 14 (Debian: clang lld), and installs
# them where it may.
#
#   build.sh           write ../gemma.wasm and its digest
#   build.sh --check   build into a temporary folder and fail if the result differs from ../gemma.wasm
set -eu
cd "$(dirname "$0")"

if ! command -v clang-14 >/dev/null || ! command -v wasm-ld-14 >/dev/null; then
	echo "build.sh: installing clang-14 and lld-14" >&2
	apt-get install -y --no-install-recommends clang-14 lld-14 >&2 ||
		{ apt-get update >&2 && apt-get install -y --no-install-recommends clang-14 lld-14 >&2; }
fi

# The loops are unrolled by hand, and the host's compiler wants constant offsets from one pointer, which loop strength
# reduction would replace: without the two flags the guest is half as fast.
build() {
	clang-14 --target=wasm32 -std=c11 -O3 -fno-unroll-loops -mllvm -disable-lsr -msimd128 -mbulk-memory \
		-fno-math-errno -Wall -Wextra -Werror -ffreestanding -nostdlib -fuse-ld=lld \
		-Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 -o "$1" gemma.c
}

if [ "${1:-}" = --check ]; then
	fresh=$(mktemp -d)
	trap 'rm -rf "$fresh"' EXIT
	build "$fresh/gemma.wasm"
	cmp "$fresh/gemma.wasm" ../gemma.wasm
	echo "gemma.wasm is what the sources say"
else
	build ../gemma.wasm
	chmod 644 ../gemma.wasm
	cd .. && sha256sum gemma.wasm model/tiny-austen-gemma3.gguf >SHA256SUMS
fi
