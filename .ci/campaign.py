"""Train both projects, then what the queue of page 33 holds, until the time is up; the same line again goes on.
usage: python .ci/campaign.py [--minutes 8] [--out FOLDER] [--projects cifar10,cars] [--tiny]

Every run leaves one archive, FOLDER/NAME.tar, as soon as it ends or the time is up. What is in FOLDER is resumed."""
import ast, json, os, shutil, signal, sys, tarfile, tempfile, time
from functools import cache
from pathlib import Path
from fastcore.script import call_parse

root = Path(__file__).resolve().parent.parent

def page33():
    "The functions and classes of page 33, which is where the runner is explained"
    names = {}
    for cell in json.loads((root/'nbs/33_ablations.ipynb').read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] != 'code' or 'fresh Kaggle or Colab' in source: continue
        kinds = ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef
        body = [o for o in ast.parse(source).body if isinstance(o, kinds)]
        exec(compile(ast.Module(body, []), '33_ablations', 'exec'), names)
    return names

def alarm(until):
    "Stop as Ctrl-C does when the time is up"
    for o in signal.SIGALRM, signal.SIGTERM: signal.signal(o, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.alarm(max(1, round(until - time.monotonic())))

def unpacked(file, work):
    if file.exists() and not (work/file.stem).exists():
        with tarfile.open(file) as tar: tar.extractall(work, filter='data')

def done(folder):
    "Whether a project or an entry is finished"
    card, result = folder/'card.json', folder/f'{folder.name}.json'
    if card.exists(): return json.loads(card.read_text()).get('state') == 'finished'
    return result.exists() and json.loads(result.read_text())['finished']

def wanted(folder):
    "All files of a finished run but its checkpoints, and of another one the newest checkpoint"
    old = sorted(folder.glob('**/step_*.*'))
    return set(folder.rglob('*')) - set(old if done(folder) else old[:-2])

def packed(file, work):
    "One archive in one piece, whatever signals come"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tarfile.open(file.with_suffix('.part'), 'w') as tar:
        for o in sorted(wanted(work/file.stem)): tar.add(o, o.relative_to(work), recursive=False)
    file.with_suffix('.part').replace(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return f'{file.stat().st_size / 2**20:.0f} MB'

def project(name, folder, tiny):
    from dcgan_nb.recipes import train
    from dcgan_nb.run import Run
    if (folder/'card.json').exists() and Run(folder).card['state'] == 'finished': return
    small = dict(ngf=8, ndf=8, epochs=1, grid_every=1, fd_every=0) if tiny else {}
    train(name, data=tiny, out=folder, resume=True, save_every='2m', **small)

def digits(tiny):
    "A folder of few pictures that stand in for a dataset"
    from PIL import Image
    from dcgan_nb.data import digit_images
    for i, x in enumerate(digit_images(64)[:300, 0].numpy()): Image.fromarray(x).convert('RGB').save(tiny/f'{i}.png')
    return tiny

def entries(tiny, p33):
    "What to train of the queue: name → a function of a folder"
    queue = json.loads((root/'nbs/results/queue.json').read_text())
    queue = [o for o in queue if p33['next_entry']([o], root/'nbs/results/ablations')]
    if tiny:
        x = p33['digit_images'](32)
        queue = [dict(queue[0], recipe='digits', updates=8, changes=dict(bs=64, ngf=8, ndf=8, ema=0.9))]
        data = lambda _: (x[:512], x[:300], x[300:700])
    else: data = cache(p33['pictures'])
    more = dict(n=300, every=1) if tiny else {}
    def one(entry):
        def run(folder):
            if p33['next_entry']([entry], folder): p33['run_entry'](entry, *data(entry['recipe']), folder, folder.parent, **more)
        return run
    return {o['name']: one(o) for o in queue}

@call_parse
def main(
    minutes:float=8, # when to stop
    out:str=None, # where the archives lie (default: $OUT, or campaign)
    projects:str='cifar10,cars', # recipes that are trained whole, before the queue
    tiny:bool=False, # try it with few pictures and small networks
):
    "Train until the time is up"
    until, out = time.monotonic() + 60*minutes, Path(out or os.environ.get('OUT', 'campaign'))
    work = Path(tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    few = digits(Path(tempfile.mkdtemp())) if tiny else None
    todo = {o: lambda folder, o=o: project(o, folder, few) for o in projects.split(',') if o} | entries(tiny, page33())
    alarm(until)
    for name, run in todo.items():
        file, start, size = out/f'{name}.tar', time.monotonic(), ''
        try: state = unpacked(file, work) or run(work/name) or 'done'
        except KeyboardInterrupt: state = 'cut off'
        except Exception as e: state = f'FAILED: {type(e).__name__}: {str(e).strip()}'
        if (work/name).exists(): size = packed(file, work)
        print(f'| {name} | {state} | {time.monotonic() - start:.0f} s | {size} |', flush=True)
        if time.monotonic() > until - 1: break
    shutil.rmtree(work)
