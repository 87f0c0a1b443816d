# Makes .venv/notebooks with the pinned packages, and a warehouse where LLMSCEN_WAREHOUSE names none.
# Sourced, with the program llmscen as $1, and in $scenarios the names of those that it applies; leaves $python, $venv, and
# LLMSCEN_WAREHOUSE in the environment.

notebooks=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(dirname "$notebooks")
venv=$root/.venv/notebooks
python=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv
	else
		say "Python 3.11 or newer with its venv module is needed; on Debian: apt-get install python3-venv"
		exit 1
	fi
fi

# One stamp for all that is installed: a changed pin makes the environment anew.
wanted=$(sha256sum "$notebooks/requirements.txt")
if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
	say "Installing the notebooks' packages into .venv/notebooks ..."
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$python" -m pip install -q --disable-pip-version-check --no-deps -r "$notebooks/requirements.txt"
	"$python" -m pip check
	printf '%s\n' "$wanted" >"$venv/installed"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export JUPYTER_RUNTIME_DIR=$scratch/jupyter IPYTHONDIR=$scratch/ipython

if [ -z "${LLMSCEN_WAREHOUSE:-}" ]; then
	llmscen=$(realpath "${1:?the program llmscen, or LLMSCEN_WAREHOUSE, is needed}")
	export LLMSCEN_WAREHOUSE=$scratch/results
	for scenario in ${scenarios:-first_look}; do
		say "Making a warehouse with notebooks/$scenario.scen.hcl ..."
		status=0
		"$llmscen" apply --yes --warehouse "$LLMSCEN_WAREHOUSE" "$notebooks/$scenario.scen.hcl" >&2 || status=$?
		case $status in
		0 | 4 | 5 | 6) ;; # the rows are there: what they say of the trials is not this test's matter
		*) exit "$status" ;;
		esac
	done
fi
