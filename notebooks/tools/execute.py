"""Executes every notebook beside this folder; fails where a cell fails or an .ipynb is not what its .py makes."""

import argparse
import pathlib
import sys

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

HERE = pathlib.Path(__file__).resolve().parent.parent


def notebook(source):
    """The notebook of a .py source: always the same, without outputs."""
    nb = jupytext.read(source)
    nb.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for i, cell in enumerate(nb.cells):
        cell.id = f"cell-{i:02d}"
        cell.metadata = {}
    nbformat.validate(nb)
    return nb


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the .ipynb files and execute nothing")
    parser.add_argument("--out", type=pathlib.Path, help="folder for the executed notebooks")
    args = parser.parse_args()

    failed = False
    for source in sorted(HERE.glob("*.py")):
        target = source.with_suffix(".ipynb")
        nb = notebook(source)
        text = nbformat.writes(nb) + "\n"
        if args.write:
            target.write_text(text)
            continue
        if not target.exists() or target.read_text() != text:
            print(f"{target.name} is not what {source.name} makes: run notebooks/run.sh --write", file=sys.stderr)
            failed = True
        # Sockets of files: a kernel on TCP ports would be open to everyone on this machine.
        client = NotebookClient(nb, timeout=300, config=Config(KernelManager={"transport": "ipc"}))
        try:
            client.execute()
            print(f"{source.name}: {sum(c.cell_type == 'code' for c in nb.cells)} cells executed")
        except CellExecutionError as error:
            print(f"{source.name}: {error}", file=sys.stderr)
            failed = True
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            nbformat.write(nb, args.out / target.name)
    return failed


if __name__ == "__main__":
    sys.exit(main())
