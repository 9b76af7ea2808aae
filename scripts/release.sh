#!/usr/bin/env bash
# release.sh VERSION PROGRAM DIRECTORY: packs the static program for people without Rust. `make release` calls it.
#
# In DIRECTORY: a tarball and a Debian package for each platform that can be built here, SHA256SUMS, and an SBOM.
# The same sources give the same files: times are those of the last commit.
set -euo pipefail

version=$1 program=$2 directory=$3
: "${MAKE:=make}" "${CARGO:=cargo}"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
rm -rf "$directory" && mkdir -p "$directory"

# pack ARCHITECTURE DEBIAN_ARCHITECTURE PROGRAM: the tarball and the package of one platform.
pack() {
  local name=token-refresher-$version-$1-linux stage
  stage=$(mktemp -d)
  "$MAKE" --no-print-directory install DESTDIR="$stage/$name" PREFIX= BUILT="$3" RUNNABLE="$program" >/dev/null
  # The units are for a program below /usr/local, where the tarball is unpacked.
  sed -i 's|^ExecStart=/bin/|ExecStart=/usr/local/bin/|' "$stage/$name"/lib/systemd/*/token-refresher.service
  install -m 644 README.md CHANGELOG.md LICENSE "$stage/$name/share/doc/token-refresher"
  install -d "$stage/$name/share/doc/token-refresher/docs"
  install -m 644 docs/*.md "$stage/$name/share/doc/token-refresher/docs"
  tar --directory "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --create "$name" | gzip -9n >"$directory/$name.tar.gz"
  rm -rf "$stage"
  if command -v dpkg-deb >/dev/null; then
    "$MAKE" --no-print-directory deb STATIC="$3" RUNNABLE="$program" DEB_ARCHITECTURE="$2" >/dev/null
    mv "${CARGO_TARGET_DIR:-target}/token-refresher_${version}_$2.deb" "$directory"
  else
    echo "no Debian package for $1: dpkg-deb is not installed" >&2
  fi
}

pack x86_64 amd64 "$program"

other=aarch64-unknown-linux-musl
if [[ ! -d $(rustc --print target-libdir --target $other) ]]; then
  echo "aarch64 is left out: rustup target add $other" >&2
elif ! linker=$(command -v aarch64-linux-musl-gcc aarch64-linux-gnu-gcc | head -n 1) || [[ -z $linker ]]; then
  echo "aarch64 is left out: no C compiler for it (Debian: gcc-aarch64-linux-gnu)" >&2
else
  CC_aarch64_unknown_linux_musl=$linker CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=$linker \
    "$CARGO" build --release --locked --target $other
  pack aarch64 arm64 "${CARGO_TARGET_DIR:-target}/$other/release/token-refresher"
fi

"$CARGO" cyclonedx --format json --target x86_64-unknown-linux-musl --override-filename sbom >/dev/null
mv sbom.json "$directory/token-refresher-$version.cdx.json"

cd "$directory"
sha256sum -- * >SHA256SUMS
echo "in $directory:"
ls -l
