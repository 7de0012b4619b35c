# shellcheck shell=bash
# Sourced by serve, test and check, not run: finds Python, makes .venv, installs what changed.
# Afterwards the working folder is the repository and "$VENV/bin/python" can be used.

set -euo pipefail

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$REPOSITORY/.venv"
OLDEST_PYTHON="3.11"
CHROMIUM="/usr/bin/chromium"
HEADLESS_SHELL="/usr/bin/chromium-headless-shell" # tests/browser/conftest.py names both
ENGINES="${XDG_CACHE_HOME:-$HOME/.cache}/servescope/engines" # tests/engines.py looks there
AXE="4.14.1" # tests/axe.py names the same version
AXE_SHA256="29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" # of axe.min.js

cd "$REPOSITORY"

say() {
    printf 'servescope: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# As root, or through a sudo that asks for no password; fails when there is neither.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# Installs Debian packages; says nothing when it can't, the caller knows what to tell.
debian_install() {
    command -v apt-get >/dev/null && as_root true || return 1
    say "installing $* with apt-get"
    as_root apt-get update -qq >&2 &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >&2
}

is_recent_python() {
    "$1" -c "import sys; sys.exit(sys.version_info < (${OLDEST_PYTHON/./, }))" 2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && is_recent_python "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "needs Python $OLDEST_PYTHON or newer, found $(python3 --version 2>/dev/null || echo none);" \
        "on Debian 12 and later: apt-get install python3"
}

make_venv() {
    local python package
    python="$(find_python)"
    # Debian ships venv without ensurepip; the package that has it is named after the version.
    if ! "$python" -c "import ensurepip, venv" 2>/dev/null; then
        package="$("$python" -c "import sys; print('python%d.%d-venv' % sys.version_info[:2])")"
        debian_install "$package" ||
            die "Python's venv module is missing; as root: apt-get install $package"
    fi
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear "$VENV" || die "could not make $VENV"
}

checksum() {
    cat "$@" | sha256sum | cut -d ' ' -f 1
}

# install_requirements NAME FILES...: pip install -r NAME, unless FILES, all that it reads, are as
# they were when it last succeeded.
install_requirements() {
    local name="$1" stamp="$VENV/$1.sha256" wanted
    shift
    wanted="$(checksum "$@")"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && is_recent_python "$VENV/bin/python"
    then
        return
    fi
    # An interrupted start, or a Python that has gone since, leaves a .venv that can't be used.
    if ! is_recent_python "$VENV/bin/python" || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1
    then
        make_venv
    fi
    say "installing $name"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$name" ||
        die "could not install $name; pip's message is above"
    printf '%s\n' "$wanted" >"$stamp"
}

# set_up run|dev: one at a time, since two of them would write the same .venv.
set_up() {
    if command -v flock >/dev/null; then
        exec 9<"$REPOSITORY"
        flock 9
    fi
    case "$1" in
        run) install_requirements requirements.txt requirements.txt ;;
        dev)
            install_requirements requirements-dev.txt requirements-dev.txt requirements.txt
            checksum requirements.txt >"$VENV/requirements.txt.sha256" # it is read by the other
            ;;
    esac
    exec 9<&-
}

# Debian's Chromium with a font, without which it draws no text, and the library that playwright's
# driver needs and a small Debian lacks; and curl and wrk, clients of the listener tests. Most tests
# of pages take Chromium's headless shell, and the whole browser only where that cannot be had.
set_up_chromium() {
    local missing=()
    [ -x "$CHROMIUM" ] || missing+=(chromium fonts-dejavu-core)
    command -v curl >/dev/null || missing+=(curl)
    command -v wrk >/dev/null || missing+=(wrk)
    "$VENV/bin/python" -c "import ctypes; ctypes.CDLL('libatomic.so.1')" 2>/dev/null ||
        missing+=(libatomic1)
    if [ "${#missing[@]}" -gt 0 ]; then
        debian_install "${missing[@]}" ||
            die "the browser tests need more; as root: apt-get install ${missing[*]}"
    fi
    [ -x "$HEADLESS_SHELL" ] || debian_install chromium-headless-shell ||
        say "the browser tests take longer without it; as root: apt-get install" \
            "chromium-headless-shell"
}

# axe-core of npm, for the tests of accessibility: one file, kept beside the engines.
set_up_axe() {
    local folder file
    file="$(dirname "$ENGINES")/axe-core-$AXE.min.js"
    [ -f "$file" ] && return
    command -v npm >/dev/null || debian_install npm ||
        die "the browser tests need axe-core; as root: apt-get install npm"
    say "downloading axe-core $AXE with npm"
    folder="$(mktemp -d)"
    (cd "$folder" && npm pack --silent "axe-core@$AXE" >/dev/null &&
        tar -xzf "axe-core-$AXE.tgz" package/axe.min.js) || die "could not download axe-core $AXE"
    printf '%s  %s\n' "$AXE_SHA256" "$folder/package/axe.min.js" | sha256sum --check --quiet ||
        die "axe-core $AXE is not the file that was pinned"
    mkdir -p "$(dirname "$file")"
    mv "$folder/package/axe.min.js" "$file"
    rm -rf "$folder"
}

# Debian's Prometheus and VictoriaMetrics for the tests of the store, and nginx for those behind a
# proxy. Unpacked, not installed: their packages would start services; and unpacking needs no root.
set_up_engines() {
    local missing=() name folder
    for name in prometheus victoria-metrics nginx; do
        command -v "$name" >/dev/null || [ -x "$ENGINES/usr/bin/$name" ] ||
            [ -x "$ENGINES/usr/sbin/$name" ] || missing+=("$name")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    folder="$(mktemp -d)"
    if ! download_packages "$folder" "${missing[@]}"; then
        rm -rf "$folder"
        die "the tests need ${missing[*]}; as root: apt-get install ${missing[*]}"
    fi
    mkdir -p "$ENGINES"
    for name in "$folder"/*.deb; do
        dpkg-deb --extract "$name" "$ENGINES" || die "could not unpack $name into $ENGINES"
    done
    rm -rf "$folder"
}

# download_packages FOLDER NAMES...: Debian packages as files.
download_packages() {
    local folder="$1"
    shift
    command -v apt-get >/dev/null || return 1
    say "downloading $* with apt-get"
    (cd "$folder" && apt-get download -qq "$@" 2>/dev/null) && return
    # A new Debian has no lists of packages yet.
    as_root apt-get update -qq >&2 && (cd "$folder" && apt-get download -qq "$@" >&2)
}
