"""Run all of the pages given (every page by default) in a Jupyter kernel of this Python, each in an empty folder outside the repository.
usage: python .ci/runall.py [PAGE ...]      cells marked eval: false are left out, as in nbdev-test"""
import json, os, re, sys, tempfile, time
from pathlib import Path
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

def run_all(path):
    "What went wrong on the page, or nothing"
    nb = nbformat.read(path, as_version=4)
    nb.cells = [c for c in nb.cells if not re.search(r'^#\|\s*eval:\s*false', c.source, re.M)]
    with tempfile.TemporaryDirectory() as folder:
        try: NotebookClient(nb, timeout=600, kernel_name='python3', resources={'metadata': {'path': folder}}).execute()
        except CellExecutionError as e: return re.sub(r'\x1b\[[0-9;]*m', '', str(e))

if __name__ == '__main__':
    nbs, faults = Path(__file__).parent.parent/'nbs', 0
    for page in sys.argv[1:] or sorted(o.stem for o in nbs.glob('*.ipynb')):
        start = time.time()
        why = run_all(nbs/f'{page}.ipynb')
        faults += bool(why)
        print(f'{page}: {"FAILED" if why else "ran"} in {time.time() - start:.0f} s' + (f'\n{why[-3000:]}' if why else ''), flush=True)
    sys.exit(bool(faults))
