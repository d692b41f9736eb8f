#!/bin/sh
# Installs this bundle into a new folder. It needs Python @PYTHON@ and no network.
#
#   sh install.sh TARGET [PYTHON]
set -eu

fail() {
    echo "error: $1" >&2
    echo "  $2" >&2
    exit 2
}

bundle=$(cd "$(dirname "$0")" && pwd -P)
[ $# -ge 1 ] || fail "where to?" "write:  sh install.sh TARGET [PYTHON]"
python=${2:-python@PYTHON@}
command -v "$python" >/dev/null 2>&1 ||
    fail "there is no $python on this machine" "install Python @PYTHON@, or name one:  sh install.sh $1 PYTHON"
found=$("$python" -c 'import platform, sys
print("Python %d.%d on %s %s" % (*sys.version_info[:2], platform.system(), platform.machine()))')
[ "$found" = "@MACHINE@" ] ||
    fail "this bundle is for @MACHINE@, and $python is $found" "name another:  sh install.sh $1 PYTHON"
[ ! -e "$1" ] || fail "$1 is there already" "name a folder that is not there yet"

echo "checking the files ..."
"$python" - "$bundle" <<'CHECK' || fail "this bundle is not as it was made" "copy it again, and only then install it"
import hashlib
import pathlib
import sys

bundle = pathlib.Path(sys.argv[1])
wrong = []
for line in (bundle / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
    expected, name = line.split("  ", 1)
    digest = hashlib.sha256()
    try:
        with open(bundle / name, "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    except OSError:
        wrong.append(name + ": missing")
        continue
    if digest.hexdigest() != expected:
        wrong.append(name + ": changed or cut short")
print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
sys.exit(bool(wrong))
CHECK

mkdir -p "$1"
target=$(cd "$1" && pwd -P)
trap 'rm -rf "$target"; echo "nothing is installed" >&2' EXIT
trap 'exit 130' INT TERM

echo "installing the packages ..."
"$python" -m venv --without-pip "$target/venv"
set -- "$bundle"/wheels/pip-*.whl
"$target/venv/bin/python" "$1/pip" --isolated --disable-pip-version-check install --quiet --no-index --no-deps --require-hashes \
    --find-links "$bundle/wheels" --requirement "$bundle/requirements.txt"

echo "copying weights and data ..."
mkdir -p "$target/home"
for part in home hub torch; do
    [ ! -d "$bundle/$part" ] || cp -R "$bundle/$part" "$target/"
done
cat >"$target/brainbench" <<'RUN'
#!/bin/sh
# brainbench as the bundle brought it: its weights and data, and no look at a network.
here=$(cd "$(dirname "$0")" && pwd -P)
export BRAINBENCH_HOME="${BRAINBENCH_HOME:-$here/home}" HF_HUB_OFFLINE=1
[ ! -d "$here/hub" ] || export HF_HUB_CACHE="$here/hub"
[ ! -d "$here/torch" ] || export TORCH_HOME="$here/torch"
exec "$here/venv/bin/brainbench" "$@"
RUN
chmod +x "$target/brainbench"
"$target/brainbench" --help >/dev/null
trap - EXIT

echo "installed in $target; next:"
echo "  cd $target"
echo "  ./$(cat "$bundle/command.txt")"
