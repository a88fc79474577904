"""How fast, beside what: everything on page 34 is measured here and added to nbs/results/benchmarks.json.
usage: python .ci/bench.py [--example CLONE] [--gan CLONE] [--cifar FOLDER] [--parts race,target] [--tiny] [--out FILE]

The clones are of github.com/pytorch/examples and of eriklindernoren/PyTorch-GAN, the folder holds CIFAR-10's pictures
for training; what needs one that is not given is left out. OMP_NUM_THREADS decides the threads. It runs on an NVIDIA
GPU where there is one, else on the CPU. --tiny tries all parts with tiny networks, and writes only where --out says."""
import itertools, json, multiprocessing, os, psutil, queue, random, shutil, signal, statistics, subprocess, sys
import tempfile, threading, time
import warnings
warnings.filterwarnings('ignore')
import torch
from fastcore.script import call_parse
from functools import partial
from pathlib import Path
from torch.utils.flop_counter import FlopCounterMode
from dcgan_nb.core import write_whole
from dcgan_nb.folders import image_files, read_images
from dcgan_nb.metrics import cifar10_features, fakes, fd, feature_stats
from dcgan_nb.models import Discriminator, Generator
from dcgan_nb.run import hardware, versions
from race import ours, plain, stock, theirs
from race.measure import by_processor, ended, lap, product, spent, sync, write_files, write_idx

home, example, peer = Path(__file__).resolve().parent, 'pytorch/examples', 'PyTorch-GAN'
limit = 1.3      # a turn that takes longer than so many times the fastest is a bad one
gpu = torch.cuda.is_available()
device = 'cuda' if gpu else 'cpu'
aims = dict(digits=dict(fd=3., updates=280, every=56, lr=1e-3, ngf=24, ndf=16, bs=32),      # with seeds, and …
            cifar10=dict(fd=13., updates=192, every=32, lr=1e-3, ngf=24, ndf=24, bs=32, files=4096,
                         without=['stock GANLearner']))      # it came nowhere near the target on digits
few = dict(updates=4, every=2)
plans = dict(
    tiny=dict(bs=8, width=8, n=1, rounds=2, starts=1, files=160, whole=16, epochs=1, narrow=8, laps=2, seeds=1,
              measured=160, base=(16, 8, 8), sizes=(16, 32), widths=(8, 16), batches=(4, 8), pictures=(64, 128),
              aims=dict(digits=aims['digits'] | few, cifar10=aims['cifar10'] | few | dict(files=160))),
    cpu=dict(bs=64, width=64, n=4, rounds=3, starts=3, files=1792, whole=1792, epochs=1, narrow=32, laps=1, seeds=3,
             measured=512, base=(32, 32, 64), sizes=(16, 32, 64, 128, 256), widths=(16, 32, 64, 128),
             batches=(16, 32, 64, 128, 256, 512), pictures=(1000, 10000, 100000, 1000000), aims=aims),
    cuda=dict(bs=64, width=64, n=100, rounds=5, starts=3, files=17920, whole=17920, epochs=5, narrow=64, laps=50,
              seeds=3, measured=1792, base=(32, 64, 128), sizes=(16, 32, 64, 128, 256), widths=(16, 32, 64, 128),
              batches=(16, 32, 64, 128, 256, 512), pictures=(1000, 10000, 100000, 1000000),
              aims=aims))

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
    by_processor = by_processor
    def __init__(self, command, n, per_line, cwd=None):
        self.command, self.lines, self.n, self.cwd = command, n // per_line, n, cwd

    def start(self):
        "Seconds from the start of the process to its first line"
        self.heard, began = queue.Queue(), time.perf_counter()
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.cwd)
        self.process = subprocess.Popen(self.command, **pipes, env=env(), start_new_session=True)
        threading.Thread(target=self.listen, daemon=True).start()
        self.wait(1)
        self.tell(signal.SIGSTOP)
        return self.spent() if self.by_processor else time.perf_counter() - began

    def spent(self):
        "Seconds so far: of the processor, in this process and those that load its pictures, or of the clock"
        return spent(psutil.Process(self.process.pid)) if self.by_processor else time.perf_counter()

    def listen(self):
        for line in self.process.stdout: self.heard.put(line)
        self.heard.put(None)

    def wait(self, lines):
        while lines:
            line = self.heard.get()
            if line is None: raise RuntimeError(f'{self.command} ended:\n{self.process.stderr.read()[-2000:]}')
            lines -= line.startswith(('updates', '['))       # ours, and those of both peers

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

class Watched(Racer):
    "Its seconds are those of the clock"
    by_processor = False

def one(name, n, racer=Racer, **kwargs): return racer(racing(name, json.dumps(dict(device=device) | kwargs), n), n, n)

def racers(size, folder, p, script, tmp):
    "Name → Racer"
    kw, n = dict(folder=str(folder), size=size, bs=p['bs'], width=p['width']), turn_length(size, p)
    out = {'plain loop': one('plain', n, **kw), 'stock GANLearner': one('stock', n, **kw)}
    if script and size == 64:      # it draws this size only
        out[example] = Racer(racing(script, *example_flags(folder, tmp, size, p, 10**6)), n, 1)
    out |= {f'ours, {o}': one('ours', n, **kw, precision=o) for o in ('fp32', 'bf16')}
    if gpu: out |= {f'ours, captured, {o}': one('ours', n, **kw, precision=o, recorded=True) for o in ('fp32', 'bf16')}
    return out

def peers(folder, p, script, tmp):
    "PyTorch-GAN's script, and its networks in our learner"
    n, kw = turn_length(32, p), dict(folder=str(folder), size=32, bs=p['bs'], script=str(script))
    write_idx(tmp/'data'/'mnist'/'MNIST'/'raw', p['files'])
    (cwd := tmp/'implementations'/'dcgan').mkdir(parents=True, exist_ok=True)
    command = racing(script, '--n_epochs', 10**6, '--batch_size', p['bs'])
    mine = {f'ours, {o}': one('theirs', n, **kw, precision=o) for o in ('fp32', 'bf16')}
    return {peer: Racer(command, n, 1, cwd)} | mine

def turn_length(size, p): return max(1, p['n'] * 32**2 // size**2)      # turns of a similar length

def race(size, running, p, **facts):
    "Seconds for an update, the most memory held, and seconds of the start, which ends with the first update"
    starts = {}
    try:
        for k in running: starts[k] = running[k].start()
        turn = lambda k: product(products[k], device) if k in products else running[k].turn()
        for k in running: running[k].turn()      # the first one does not count
        seconds, dropped = in_rounds(turn, [*running, *products], p['rounds'])
        peak = {k: round(o.end(), 2) for k, o in running.items()}
    finally:
        for o in running.values():
            if hasattr(o, 'process') and o.process.poll() is None: o.tell(signal.SIGKILL)
    return dict(facts, size=size, bs=p['bs'], seconds=seconds, dropped=dropped, peak_gb=peak, startup=starts)

def startup(running, n):
    "Seconds from the start of a process to the end of its first update"
    found = {k: [] for k in running}
    for k in n * list(running):
        found[k].append(running[k].start())
        running[k].end()
    return dict(starts=found)

def peer_flops(script, p):
    "What the layers of PyTorch-GAN's networks compute in one of our updates, as PyTorch counts it"
    ds, nets = ours.noise(4*p['bs'], 32, 1), theirs.networks(script, 32)
    learn = ours.learner(ds, p['bs'], device=device, precision='fp32', nets=nets)
    with FlopCounterMode(display=False) as counter: ours.fit(learn, lambda G: True)
    return counter.get_total_flops()

# Whole commands

def whole(folder, p, script, tmp):
    "Seconds of whole commands that train for some epochs on one folder"
    p = p | dict(width=p['narrow'])
    train = str(Path(sys.executable).with_name('dcgan_train'))
    flags = dict(data=folder, out=tmp/'run', device=device, epochs=p['epochs'], size=64, bs=p['bs'], ngf=p['width'],
                 ndf=p['width'])
    words = [f'--{k}={v}' for k, v in flags.items()]
    mine = lambda o: [train, *words, f'--precision={o}', '--overwrite']
    commands = {f'dcgan_train, {o}': mine(o) for o in ('fp32', 'bf16')}
    words = [sys.executable, str(script), *example_flags(folder, tmp, 64, p, p['epochs'])]
    if script: commands = {example: words} | commands
    now = ended if by_processor else time.perf_counter
    def turn(k):
        start = now()
        subprocess.run(commands[k], check=True, capture_output=True, cwd=tmp, env=env())
        return now() - start
    seconds, dropped = in_rounds(turn, list(commands), min(3, p['rounds']))
    return dict(pictures=p['whole'], epochs=p['epochs'], bs=p['bs'], width=p['width'], size=64, seconds=seconds,
                dropped=dropped)

# Curves

def points(p):
    "Size, width, batch and precision, one of the first three at a time"
    size, width, bs = p['base']
    out = {(o, width, bs) for o in p['sizes']} | {(size, o, bs) for o in p['widths']}
    out |= {(size, width, o) for o in p['batches']}
    return [(*o, precision) for o in sorted(out) for precision in ('fp32', 'bf16')]

def peaks(todo):
    "GB of a process that does nothing else"
    if gpu: return [ours.peak_of(*o, device) for o in todo]
    server = multiprocessing.get_context('forkserver')      # has imported everything and trained nothing
    os.environ['PYTHONPATH'] = env()['PYTHONPATH']
    server.set_forkserver_preload(['race.ours'])
    with server.Pool(1, maxtasksperchild=1) as pool: return pool.starmap(ours.peak_of, todo, chunksize=1)

def memory(p):
    "The same points as in `curves`"
    todo = points(p)
    return dict(base=p['base'], peak_gb={' '.join(map(str, o)): round(gb, 3) for o, gb in zip(todo, peaks(todo))})

def curves(p):
    "Our step over size, width and batch"
    todo = points(p)
    names = [' '.join(map(str, o)) for o in todo]
    learners = {k: ours.learner(ours.noise(4*b, s), b, w, device, o) for k, (s, w, b, o) in zip(names, todo)}
    turn = lambda k: product(products[k], device) if k in products else lap(partial(ours.fit, learners[k]), p['laps'])
    for k in learners: turn(k)
    seconds, dropped = in_rounds(turn, [*learners, *products], p['rounds'])
    return dict(base=p['base'], seconds=seconds, dropped=dropped)

def pictures(p, tmp):
    "Folders of more and more files, narrow networks"
    out, (size, width) = {}, (32, min(p['widths']))
    for n in p['pictures']:
        folder, per_turn = write_files(tmp/f'{n} pictures', n), 4*p['n']
        kw = dict(folder=str(folder), size=size, bs=p['bs'], width=width)
        running = {'plain loop': one('plain', per_turn, **kw),
                   'ours, fp32': one('ours', per_turn, **kw, precision='fp32')}
        out[n] = race(size, running, p | dict(rounds=min(3, p['rounds'])), width=width)
        print(n, out[n], flush=True)
        shutil.rmtree(folder)
    return dict(counts=out)

def processes(folder, p):
    "One process, or one on each of two cores or GPUs, which share the batch. It needs them free: the clock counts"
    found, n = {}, min(2, torch.cuda.device_count() if gpu else os.cpu_count())
    for size in 32, 64:
        kw, length = dict(folder=str(folder), size=size, bs=p['bs'], width=p['width']), 4*turn_length(size, p)
        running = {f'{precision}, {world}': one('ours', length, Watched, **kw, precision=precision, world=world)
                   for precision in ('fp32', 'bf16') for world in range(1, n + 1)}
        found[size] = race(size, running, p, width=p['width'])
        print(size, found[size], flush=True)
    return dict(sizes=found)

# Time to a target

def follow(train, aim, seed, real, features, n):
    "Train to a distance, and stop the clock every so often to measure it: updates, seconds, processor seconds, FD"
    random.seed(seed), torch.manual_seed(seed)
    seen, taken, curve = 0, [0., 0.], []
    def now():
        sync()
        return time.perf_counter(), spent()
    def after(G):
        nonlocal seen, taken, since
        seen += 1
        if seen % aim['every'] == 0:
            taken = [a + b - c for a, b, c in zip(taken, now(), since)]
            distance = fd(real, feature_stats(fakes(G, n), features, keep=0))
            curve.append((seen, *(round(o, 2) for o in taken), round(distance, 3)))
            since = now()
            return distance <= aim['fd'] or seen >= aim['updates']
    since = now()
    train(after)
    return curve

def target(folder, aim, p):
    "FD over seconds of training, from the same first weights"
    settings, features = dict(size=32, bs=aim['bs'], device=device, lr=aim['lr']), cifar10_features().to(device)
    x = read_images(folder, 32, 3).x
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:p['measured']]]
    real = feature_stats((o.to(device) for o in x.split(256)), features, keep=0)
    trains = {'plain loop': plain.train, 'stock GANLearner': stock.train}
    if gpu: trains['ours, captured, fp32'] = lambda *a, **kw: ours.train(*a, precision='fp32', recorded=True, **kw)
    trains |= {f'ours, {o}': lambda *a, o=o, **kw: ours.train(*a, precision=o, **kw) for o in ('fp32', 'bf16')}
    found = {k: [] for k in trains if k not in aim.get('without', [])}
    for seed, k in itertools.product(range(p['seeds']), found):
        torch.manual_seed(seed)
        nets = Generator(32, 3, ngf=aim['ngf']).to(device), Discriminator(32, 3, ndf=aim['ndf']).to(device)
        train = partial(trains[k], str(folder), nets=nets, **settings)
        found[k].append(follow(train, aim, seed, real, features, p['measured']))
        print(k, 'seed', seed, found[k][-1], flush=True)
    return dict(aim, pictures=len(image_files(folder)), measured=p['measured'], features='cifar10-features',
                columns=('updates', 'seconds', 'processor seconds', 'FD'), curves=found)

def some_of(folder, to, n):
    "Copies of n pictures from all of a folder's classes"
    found = image_files(folder)
    for o in found[::len(found) // n][:n]:
        (to/o.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(o, to/o.parent.name/o.name)
    return to

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

def conditions():
    "What stands before the command"
    cores, words = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else set(), []
    if 'OMP_NUM_THREADS' in os.environ: words.append(f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}")
    if 0 < len(cores) < os.cpu_count(): words.append(f"taskset -c {','.join(map(str, sorted(cores)))}")
    return words

def clone(path, script, flag):
    "The script inside a clone, if one is given"
    if path and not (Path(path)/script).exists(): raise SystemExit(f"--{flag} {path}: there is no {script} in it")
    return path and (Path(path)/script).resolve()

def planned(p, script, peer_script, cifar, tmp):
    "Part → what measures it"
    folder, small = write_files(tmp/'digits', p['files']), write_files(tmp/'few', p['whole'])
    standard = lambda size: race(size, racers(size, folder, p, script, tmp), p, width=p['width'])
    todo = dict(race32=lambda: standard(32), race64=lambda: standard(64))
    upsampling = lambda: race(32, peers(folder, p, peer_script, tmp), p, flops=peer_flops(peer_script, p))
    if peer_script: todo['race_gan'] = upsampling
    first = lambda: {k: o for k, o in peers(folder, p, peer_script, tmp).items() if k == peer} if peer_script else {}
    starting = lambda: startup(racers(64, folder, p, script, tmp) | first(), p['starts'])
    todo |= dict(startup=starting, whole=lambda: whole(small, p, script, tmp), curves=lambda: curves(p),
                 memory=lambda: memory(p), pictures=lambda: pictures(p, tmp), processes=lambda: processes(folder, p),
                 target_digits=lambda: target(folder, p['aims']['digits'], p))
    aim = p['aims']['cifar10']
    if cifar: todo['target_cifar10'] = lambda: target(some_of(cifar, tmp/'cifar10', aim['files']), aim, p)
    return todo

def add(file, run):
    "Put a result behind the others in the file, or in place of what the same command has written so far"
    before = json.loads(file.read_text()) if file.exists() else []
    before = [o for o in before if (o['date'], o['command']) != (run['date'], run['command'])]
    write_whole(file, (json.dumps(before + [run], indent=1) + '\n').encode())

@call_parse
def main(
    example:str=None, # a clone of github.com/pytorch/examples
    gan:str=None, # a clone of github.com/eriklindernoren/PyTorch-GAN
    cifar:str=None, # a folder with CIFAR-10's pictures for training
    parts:str='race,startup,whole,curves,memory,pictures,processes,target', # what to measure; race64 alone is a part too
    tiny:bool=False, # try all of it with tiny networks
    out:str=None, # the file to which the result is added; by default nbs/results/benchmarks.json, nothing with --tiny
):
    "Measure, and add the result to a file"
    p = plans['tiny' if tiny else 'cuda' if gpu else 'cpu']
    check_networks(p['width'])
    script = clone(example, 'dcgan/main.py', 'example')
    peer_script = clone(gan, 'implementations/dcgan/dcgan.py', 'gan')
    file = Path(out) if out else None if tiny else home.parent/'nbs'/'results'/'benchmarks.json'
    command = ' '.join([*conditions(), 'python .ci/bench.py', *sys.argv[1:]])
    run = dict(date=time.strftime('%Y-%m-%d %H:%M'), command=command, commit=commit(home),
               example=commit(example) if example else None, gan=commit(gan) if gan else None,
               hardware=hardware(device), versions=versions(), plan=p, clock='processor' if by_processor else 'wall')
    print({k: run[k] for k in ('date', 'command', 'hardware')}, flush=True)
    tmp = Path(tempfile.mkdtemp())
    try:
        todo = planned(p, script, peer_script, cifar, tmp)
        for part in [o for o in todo if o.startswith(tuple(parts.split(',')))]:
            start = time.perf_counter()
            run[part] = todo[part]()
            run[part]['took'] = round(time.perf_counter() - start)
            show(part, run[part])
            if file: add(file, run)
    finally: shutil.rmtree(tmp)
    print(f"all in {sum(run[o]['took'] for o in todo if o in run)} s")
