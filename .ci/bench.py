"""How fast, beside what: everything on page 34 is measured here and added to nbs/results/benchmarks.json.
usage: python .ci/bench.py [--example CLONE] [--parts race,whole,curves,target] [--tiny] [--out FILE]

CLONE is a clone of github.com/pytorch/examples; without it that row is left out. OMP_NUM_THREADS decides the threads.
It runs on an NVIDIA GPU where there is one, else on the CPU. --tiny tries all parts with tiny networks, and writes only
where --out says."""
import itertools, json, os, psutil, queue, random, shutil, signal, statistics, subprocess, sys, tempfile, threading, time
import warnings
warnings.filterwarnings('ignore')
import torch
from fastcore.script import call_parse
from functools import partial
from pathlib import Path
from dcgan_nb.core import write_whole
from dcgan_nb.data import ImageSet, digit_images
from dcgan_nb.metrics import cifar10_features, fakes, fd, feature_stats
from dcgan_nb.models import Discriminator, Generator
from dcgan_nb.run import hardware, versions
from race import ours, plain, stock
from race.measure import by_processor, lap, product, sync, write_files

home, example = Path(__file__).resolve().parent, 'pytorch/examples'
limit = 1.3      # a turn that takes longer than so many times the fastest is a bad one
gpu = torch.cuda.is_available()
device = 'cuda' if gpu else 'cpu'
plans = dict(
    tiny=dict(bs=8, width=8, n=1, rounds=2, starts=1, files=128, whole=16, narrow=8, laps=2,
              updates=4, every=2, fd=1., seeds=1, measured=160,
              base=(16, 8, 8), sizes=(16, 32), widths=(8, 16), batches=(4, 8)),
    cpu=dict(bs=64, width=64, n=4, rounds=3, starts=1, files=1792, whole=1024, narrow=32, laps=1,
             updates=672, every=56, fd=1., seeds=1, measured=1024,
             base=(32, 32, 64), sizes=(16, 32, 64, 128), widths=(16, 32, 64), batches=(16, 32, 64, 128, 256)),
    cuda=dict(bs=64, width=64, n=100, rounds=5, starts=2, files=17920, whole=17920, narrow=64, laps=50,
              updates=1680, every=56, fd=1., seeds=3, measured=1792, base=(32, 64, 128),
              sizes=(16, 32, 64, 128), widths=(16, 32, 64, 128), batches=(16, 32, 64, 128, 256, 512)))

# Rounds

def slowness(rounds):
    "Of each round: how many times its worst turn takes as long as that contestant's fastest one"
    fastest = {k: min(o[k] for o in rounds) for k in rounds[0]}
    return [max(o[k] / fastest[k] for k in o) for o in rounds]

def in_rounds(turn, names, n):
    "Let everybody have n turns; n bad rounds at most are run again. Seconds of each, and how many rounds were dropped"
    rounds = []
    while True:
        rounds.append({k: turn(k) for k in names})
        order = sorted(zip(slowness(rounds), range(len(rounds))))
        if len(rounds) >= n and (order[n - 1][0] <= limit or len(rounds) == 2*n): break
    kept = [rounds[i] for i in sorted(i for _, i in order[:n])]
    return {k: [o[k] for o in kept] for k in names}, len(rounds) - n

products = {'products, fp32': torch.float32, 'products, bf16': torch.bfloat16}

# The race: every contestant is a process that rests while it is not its turn

class Racer:
    "A process that prints a line after every `n` updates"
    def __init__(self, command, n, per_line): self.command, self.lines, self.n = command, n // per_line, n

    def start(self):
        "Seconds from the start of the process to its first line"
        self.heard, began = queue.Queue(), time.perf_counter()
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process = subprocess.Popen(self.command, **pipes, env=env(), start_new_session=True)
        threading.Thread(target=self.listen, daemon=True).start()
        self.wait(1)
        self.tell(signal.SIGSTOP)
        return self.spent() if by_processor else time.perf_counter() - began

    def spent(self):
        "Seconds so far: of the processor, in this process and those that load its pictures, or of the clock"
        if not by_processor: return time.perf_counter()
        own = psutil.Process(self.process.pid)
        return sum(own.cpu_times()[:4]) + sum(sum(o.cpu_times()[:2]) for o in own.children(recursive=True))

    def listen(self):
        for line in self.process.stdout: self.heard.put(line)
        self.heard.put(None)

    def wait(self, lines):
        while lines:
            line = self.heard.get()
            if line is None: raise RuntimeError(f'{self.command} ended:\n{self.process.stderr.read()[-2000:]}')
            lines -= line.startswith(('updates', '['))       # ours, and those of the example

    def tell(self, what): os.killpg(self.process.pid, what)

    def turn(self):
        "Seconds for an update"
        while not self.heard.empty(): self.heard.get()      # said after the last turn
        start = self.spent()
        self.tell(signal.SIGCONT)
        self.wait(self.lines)
        seconds = self.spent() - start
        self.tell(signal.SIGSTOP)
        return seconds / self.n

    def end(self):
        "The most memory it has held, in GB"
        self.tell(signal.SIGCONT)
        self.process.send_signal(signal.SIGTERM)
        try:
            while not (line := self.heard.get(timeout=60) or 'peak nan').startswith('peak'): pass
            return float(line.split()[1])
        finally:
            try: self.tell(signal.SIGKILL)      # with the processes that load its pictures
            except ProcessLookupError: pass
            self.process.wait()

def env():
    path = os.pathsep.join(filter(None, (str(home), str(home.parent), os.environ.get('PYTHONPATH'))))
    return os.environ | dict(PYTHONUNBUFFERED='1', PYTHONPATH=path)

def racing(*args): return [sys.executable, '-W', 'ignore', '-m', 'race', *map(str, args)]

def example_flags(folder, out, size, p, epochs):
    flags = dict(dataset='folder', dataroot=folder, outf=out, niter=epochs, imageSize=size, batchSize=p['bs'],
                 ngf=p['width'], ndf=p['width'])
    return [f'--{k}={v}' for k, v in flags.items()] + ['--accel']*gpu

def racers(size, folder, p, script, tmp):
    "Name → Racer"
    kw = dict(folder=str(folder), size=size, bs=p['bs'], width=p['width'], device=device)
    n = max(1, p['n'] * 32**2 // size**2)      # turns of a similar length
    one = lambda name, **more: Racer(racing(name, json.dumps(kw | more), n), n, n)
    out = {'plain loop': one('plain'), 'stock GANLearner': one('stock')}
    if script and size == 64:      # it draws this size only
        out[example] = Racer(racing(script, *example_flags(folder, tmp, size, p, 10**6)), n, 1)
    out |= {f'ours, {o}': one('ours', precision=o) for o in ('fp32', 'bf16')}
    if gpu: out |= {f'ours, captured, {o}': one('ours', precision=o, recorded=True) for o in ('fp32', 'bf16')}
    return out

def race(size, folder, p, script, tmp):
    running, starts = racers(size, folder, p, script, tmp), {}
    try:
        for k in running: starts[k] = [running[k].start()]
        turn = lambda k: product(products[k], device) if k in products else running[k].turn()
        for k in running: running[k].turn()      # the first one does not count
        seconds, dropped = in_rounds(turn, [*running, *products], p['rounds'])
        peak = {k: round(o.end(), 2) for k, o in running.items()}
        for _ in range(p['starts'] - 1 if size == 64 else 0):
            for k, o in running.items():
                starts[k].append(o.start())
                o.end()
    finally:
        for o in running.values():
            if hasattr(o, 'process') and o.process.poll() is None: o.tell(signal.SIGKILL)
    return dict(size=size, bs=p['bs'], width=p['width'], seconds=seconds, dropped=dropped, peak_gb=peak, startup=starts)

# Whole commands

def whole(folder, p, script, tmp):
    "Seconds of whole commands that train an epoch on one folder"
    p = p | dict(width=p['narrow'])
    train = str(Path(sys.executable).with_name('dcgan_train'))
    flags = dict(data=folder, out=tmp/'run', device=device, epochs=1, size=64, bs=p['bs'], ngf=p['width'],
                 ndf=p['width'])
    words = [f'--{k}={v}' for k, v in flags.items()]
    mine = lambda o: [train, *words, f'--precision={o}', '--overwrite']
    commands = {f'dcgan_train, {o}': mine(o) for o in ('fp32', 'bf16')}
    if script: commands = {example: [sys.executable, str(script), *example_flags(folder, tmp, 64, p, 1)]} | commands
    def turn(k):
        start = time.perf_counter()
        subprocess.run(commands[k], check=True, capture_output=True, cwd=tmp, env=env())
        return time.perf_counter() - start
    seconds, dropped = in_rounds(turn, list(commands), min(3, p['rounds']))
    return dict(pictures=p['whole'], bs=p['bs'], width=p['width'], size=64, seconds=seconds, dropped=dropped)

# Curves

def curves(p):
    "Our step over size, width and batch, one of them at a time"
    size, width, bs = p['base']
    points = {(o, width, bs) for o in p['sizes']} | {(size, o, bs) for o in p['widths']}
    points |= {(size, width, o) for o in p['batches']}
    learners = {}
    for (s, w, b), o in itertools.product(sorted(points), ('fp32', 'bf16')):
        ds = ImageSet(torch.randint(256, (4*b, 3, s, s), dtype=torch.uint8), 'random')
        learners[f'{s} {w} {b} {o}'] = ours.learner(ds, b, w, device, o)
    turn = lambda k: product(products[k], device) if k in products else lap(partial(ours.fit, learners[k]), p['laps'])
    for k in learners: turn(k)
    seconds, dropped = in_rounds(turn, [*learners, *products], p['rounds'])
    return dict(base=p['base'], seconds=seconds, dropped=dropped)

# Time to a target

def follow(train, p, seed, real, features):
    "Train to a distance, and stop the clock every so often to measure it: updates, seconds, process seconds, FD"
    random.seed(seed), torch.manual_seed(seed)
    seen, spent, curve = 0, [0., 0.], []
    def now():
        sync()
        return time.perf_counter(), time.process_time()
    def after(G):
        nonlocal seen, spent, since
        seen += 1
        if seen % p['every'] == 0:
            spent = [a + b - c for a, b, c in zip(spent, now(), since)]
            distance = fd(real, feature_stats(fakes(G, p['measured']), features, keep=0))
            curve.append((seen, *(round(o, 2) for o in spent), round(distance, 3)))
            since = now()
            return distance <= p['fd'] or seen >= p['updates']
    since = now()
    train(after)
    return curve

def target(folder, p):
    "FD over seconds of training on digits, with the settings of the recipe digits but no noise"
    settings = dict(size=32, bs=32, device=device, lr=1e-3)
    x, features = digit_images(32)[:p['measured']].expand(-1, 3, -1, -1), cifar10_features().to(device)
    real = feature_stats((o.to(device) for o in x.split(256)), features, keep=0)
    trains = {'plain loop': plain.train, 'stock GANLearner': stock.train}
    if gpu: trains['ours, captured, fp32'] = lambda *a, **kw: ours.train(*a, precision='fp32', recorded=True, **kw)
    trains |= {f'ours, {o}': lambda *a, o=o, **kw: ours.train(*a, precision=o, **kw) for o in ('fp32', 'bf16')}
    found = {k: [] for k in trains}
    for seed, k in itertools.product(range(p['seeds']), trains):
        torch.manual_seed(seed)
        nets = Generator(32, 3, ngf=24).to(device), Discriminator(32, 3, ndf=16).to(device)
        train = partial(trains[k], str(folder), nets=nets, **settings)
        found[k].append(follow(train, p, seed, real, features))
        print(k, 'seed', seed, found[k][-1], flush=True)
    return dict(settings, ngf=24, ndf=16, measured=p['measured'], features='cifar10-features', fd=p['fd'],
                columns=('updates', 'seconds', 'process seconds', 'FD'), curves=found)

# All of it

def check_networks(width):
    "The contestants' networks have the same weights"
    for size in 32, 64:
        theirs, mine = plain.networks(size, width), (Generator(size, 3, ngf=width), Discriminator(size, 3, ndf=width))
        a, b = ([sorted(tuple(p.shape) for p in o.parameters()) for o in nets] for nets in (theirs, mine))
        if a != b: raise SystemExit(f'the networks of .ci/race/plain.py are not those of dcgan_nb at {size}×{size}')

def commit(folder):
    done = subprocess.run(['git', '-C', str(folder), 'rev-parse', 'HEAD'], capture_output=True, text=True)
    return done.stdout.strip()

def show(part, result):
    for k, o in result.get('seconds', {}).items():
        print(f'  {k}: {statistics.median(o):.4g} s, spread {max(o)/min(o):.2f}')
    print(f"{part} is done, {result.get('dropped', 0)} rounds dropped\n", flush=True)

@call_parse
def main(
    example:str=None, # a clone of github.com/pytorch/examples
    parts:str='race,whole,curves,target', # what to measure
    tiny:bool=False, # try all of it with tiny networks
    out:str=None, # the file to which the result is added; by default nbs/results/benchmarks.json, nothing with --tiny
):
    "Measure, and add the result to a file"
    p = plans['tiny' if tiny else 'cuda' if gpu else 'cpu']
    check_networks(p['width'])
    script = example and Path(example)/'dcgan'/'main.py'
    if script and not script.exists(): raise SystemExit(f"--example {example}: there is no {script}")
    file = Path(out) if out else None if tiny else home.parent/'nbs'/'results'/'benchmarks.json'
    words = 'OMP_NUM_THREADS={} '.format(os.environ['OMP_NUM_THREADS']) if 'OMP_NUM_THREADS' in os.environ else ''
    command = f"{words}python .ci/bench.py {' '.join(sys.argv[1:])}"
    run = dict(date=time.strftime('%Y-%m-%d %H:%M'), command=command, commit=commit(home),
               example=commit(example) if example else None, hardware=hardware(device), versions=versions(), plan=p,
               clock='processor' if by_processor else 'wall')
    print({k: run[k] for k in ('date', 'command', 'hardware')}, flush=True)
    tmp, before = Path(tempfile.mkdtemp()), json.loads(file.read_text()) if file and file.exists() else []
    try:
        folder, small = write_files(tmp/'digits', p['files']), write_files(tmp/'few', p['whole'])
        args = p, script, tmp
        todo = dict(race32=lambda: race(32, folder, *args), race64=lambda: race(64, folder, *args),
                    curves=lambda: curves(p), target=lambda: target(folder, p), whole=lambda: whole(small, *args))
        for part, measure in todo.items():
            if part.rstrip('0123456789') not in parts.split(','): continue
            start = time.perf_counter()
            run[part] = measure()
            run[part]['took'] = round(time.perf_counter() - start)
            show(part, run[part])
            if file: write_whole(file, (json.dumps(before + [run], indent=1) + '\n').encode())
    finally: shutil.rmtree(tmp)
    print(f"all in {sum(run[o]['took'] for o in todo if o in run)} s")
