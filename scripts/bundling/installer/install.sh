#!/bin/sh
# Installs hetnet_ros @VERSION@ from this offline bundle: `sh install --help`.  It is for @WHAT@.
# This file only finds the Python and makes sure that install.pyz is whole; the rest is in there.
set -eu
wanted=@PYTHON@

die() {
  echo "install: error: $*" >&2
  exit 2
}

here=$(CDPATH= cd "$(dirname "$0")" && pwd)
python= next=
for word in "$@"; do
  case $next$word in
    python--python=*) die "--python wants a value" ;;
    python*) python=${word} next= ;;
    --python) next=python ;;
    --python=*) python=${word#--python=} ;;
  esac
done
if [ -z "$python" ]; then
  for python in "python$wanted" python3; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=
    [ "$version" != "$wanted" ] || break
  done
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=
[ -n "$version" ] || die "this bundle is for Python $wanted, and $python does not run here; name one with --python"
[ "$version" = "$wanted" ] || die "this bundle is for Python $wanted, and $python is Python $version;" \
  "name another with --python, or make the bundle with scripts/bundle --python $version"
"$python" -I -c '
import hashlib, sys
here = sys.argv[1]
try:
    sums = dict(reversed(line.split(None, 1)) for line in open(here + "/SHA256SUMS").read().splitlines())
    if hashlib.sha256(open(here + "/install.pyz", "rb").read()).hexdigest() != sums["install.pyz"]:
        sys.exit("install: error: install.pyz is damaged (its hash is another than in SHA256SUMS): copy the bundle again")
except OSError as error:
    sys.exit("install: error: %s is missing or cannot be read: copy the bundle again" % error.filename)
except (KeyError, ValueError):
    sys.exit("install: error: SHA256SUMS is damaged: copy the bundle again")
' "$here" || exit 2
exec "$python" -I "$here/install.pyz" "$@"
