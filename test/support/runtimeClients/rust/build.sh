# Sourced by ../build.sh.
cd "$to/source" || exit 1
CARGO_TARGET_DIR="$to/target" cargo build --release --quiet || exit 1
strip -o "$to/made/bootstrap" "$to/target/release/bootstrap" || cp "$to/target/release/bootstrap" "$to/made/bootstrap"
rm -rf "$to/target" Cargo.lock
