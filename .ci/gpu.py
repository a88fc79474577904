"""Try everything that a GPU changes, in one call of a few minutes, and print a table: python .ci/gpu.py

A row that fails says why, and the next one runs. On a CPU the same rows run with tiny networks."""
import os, resource, shutil, signal, statistics, subprocess, sys, tempfile, time, traceback, warnings
began = time.perf_counter()
warnings.filterwarnings('ignore')
import torch
from fastai.callback.core import Callback, CancelFitException
from pathlib import Path
from dcgan_nb.data import *
from dcgan_nb.export import *
from dcgan_nb.follow import *
from dcgan_nb.learner import *
from dcgan_nb.noise import *
from dcgan_nb.recipes import *
from dcgan_nb.run import *
from dcgan_nb.samples import *
from dcgan_nb.signs import *
from dcgan_nb.speed import *
import dcgan_nb.checkpoint      # learn.resume
from race import ours, plain, stock
from race.measure import lap, product, write_files

gpu = torch.cuda.is_available()
device, width, bs = ('cuda', 64, 128) if gpu else ('cpu', 8, 16)
limit, folder = 200, Path(tempfile.mkdtemp())
precisions = ('fp32', 'bf16', 'fp16') if gpu else ('fp32', 'bf16')
rows = []

class NotRun(Exception): "Time is up"

def row(name, late=False):
    "Run a function now, and note what it returns or how it fails; with `late` even when time is up"
    def run(f):
        start, torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = time.perf_counter(), False, True
        if start - began > limit and not late: state, result = 'not run', f'{limit} s are over'
        else:
            try: state, result = 'ok', f()
            except NotRun as e: state, result = 'not run', e
            except Exception as e:
                state = 'FAILED' if gpu or 'need an NVIDIA GPU' not in str(e) else 'needs a GPU'
                last = (str(e).strip().splitlines() or [''])[-1].strip()      # fastai puts a line of its own before
                result = f'{type(e).__name__}: {last[:150]}'
                if state == 'FAILED': traceback.print_exc()
        rows.append(state)
        print(f'| {name} | {state} | {result} | {time.perf_counter() - start:.1f} s |', flush=True)
    return run

def digits(batches=8 if gpu else 4):
    return ImageSet(digit_images(32)[:batches*bs].expand(-1, 3, -1, -1).contiguous(), 'digits')
def learner(ds=None, dev=device, precision='fp32', cbs=()):
    return dcgan_learner(image_dls(ds or digits(), bs, dev), ngf=width, ndf=width, precision=precision, cbs=list(cbs))
def static_cbs(): return VitalSigns(), InstanceNoise(0.1, 0.), DiffAugment('flip shift', start=0.5), EMA()

def fit(learn, epochs=1, cbs=None):
    with learn.no_bar(), learn.no_logging(): learn.fit(epochs, cbs=cbs)
    return torch.tensor(learn.show_losses.losses)

def weights(learn): return torch.cat([o.detach().float().cpu().flatten() for o in learn.model.parameters()])
def need(ok, what):
    if not ok: raise AssertionError(what)
    return what

class Stop(Callback):
    "End a fit after n batches; with `softly` as Ctrl-C does, with a checkpoint"
    order = 90
    def __init__(self, n, softly=False): self.n, self.softly = n, softly
    def before_fit(self): self.seen = 0
    def after_batch(self):
        self.seen += 1
        if self.seen == self.n and not self.softly: raise CancelFitException
        if self.seen == self.n: self.learn.checkpoint.stopping = True

class Latents(Callback):
    "The same latents on every device"
    def before_batch(self):
        z = torch.randn(bs, 100, generator=torch.Generator().manual_seed(self.train_iter))
        self.learn.xb = (z.to(self.dls.device),)

@row('fp32 on this device beside the CPU, five steps')
def _():
    torch.backends.cudnn.allow_tf32 = False
    here, there = (fit(learner(digits(4), o, cbs=[Latents(), Stop(5)]), 2) for o in (device, 'cpu'))
    return need((gap := (here - there).abs().max()) < 1e-2, f'losses differ by {gap:.1e}')

@row('bf16')
def _():
    losses = fit(learner(precision='bf16', cbs=static_cbs()))
    return need(losses.isfinite().all(), f'last losses {losses[-1, 0]:.2f} (D), {losses[-1, 1]:.2f} (G)')

@row('fp16 with a forced overflow')
def _():
    learn = learner(cbs=static_cbs()).set_precision('fp16')
    learn.scaler = torch.amp.GradScaler(device, init_scale=2.**28)
    before, losses = weights(learn), fit(learn, 4)
    scale, signs = learn.scaler.state_dict()['scale'], torch.tensor(learn.recorder.values[-1])
    need(losses.isfinite().all() and weights(learn).isfinite().all(), 'losses and weights are finite')
    need(scale < 2**28 and not torch.equal(before, weights(learn)), 'the scale fell, and then the weights moved')
    return need(signs.isfinite().all(), f'scale from 2^28 to {scale:.0f}, signs of the last epoch are finite')

@row('resumed twice within an epoch')
def _():
    torch.backends.cudnn.deterministic = True
    def new(): return learner(cbs=[VitalSigns(), InstanceNoise(0.1), EMA()])
    for n in 1, 2:
        try: new().resume(folder/'stopped', 2, cbs=[Stop(n, softly=True)])
        except KeyboardInterrupt: pass
    resumed, whole = new(), new()
    with resumed.no_bar(), whole.no_bar(), resumed.no_logging(), whole.no_logging():
        resumed.resume(folder/'stopped', 2, cbs=[Stop(10**9)])
        whole.resume(folder/'whole', 2, cbs=[Stop(10**9)])
    return need((gap := (weights(whole) - weights(resumed)).abs().max()) < 1e-6, f'weights differ by {gap:.1e}')

@row('train, sample, evaluate, export')
def _():
    small = {} if gpu else dict(ngf=8, ndf=8, size=16)
    learn = train('digits', out=folder/'run', device=device, epochs=2 if gpu else 1, ema=0.99, **small)
    files = sample_run(learn.path, 5, out=folder/'samples')
    result = evaluate_run(learn.path, 300, device=device)
    file, gap = export_run(learn.path, folder/'digits.pt2')
    return f"{len(list(files))} files, FD {result['fd']:.3g}, exported pictures differ by {gap:.1e}"

two = """
import os, sys, torch, torch.distributed as dist
os.environ['LOCAL_RANK'] = '0'      # both on one GPU
from dcgan_nb.data import *
from dcgan_nb.devices import *
from dcgan_nb.follow import *
from dcgan_nb.learner import *
device, ema, sync_bn = sys.argv[1], *(bool(int(o)) for o in sys.argv[2:])
dist.init_process_group('gloo')
dls = image_dls(ImageSet(digit_images(16)[:320], 'digits'), 64, device)
learn = dcgan_learner(dls, ngf=8, ndf=8, cbs=[EMA()] if ema else [])
with learn.no_bar(), learn.no_logging(), learn.distrib_ctx(sync_bn=sync_bn, cpu=device == 'cpu'): learn.fit(2)
if ema and not dist.get_rank(): learn.ema_generator.sample(4, 0)
mine, both = torch.cat([o.detach().flatten() for o in learn.model.parameters()]).sum().item(), [None, None]
dist.all_gather_object(both, mine)
if not dist.get_rank(): print('equal' if both[0] == both[1] else both)
"""

def two_ranks(*flags):
    (folder/'two.py').write_text(two)
    command = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2']
    ranks = subprocess.Popen([*command, folder/'two.py', device, *(str(int(o)) for o in flags)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | dict(OMP_NUM_THREADS='1'))
    try: said, errors = ranks.communicate(timeout=45 if gpu else 150)
    except subprocess.TimeoutExpired:
        ranks.send_signal(signal.SIGTERM)      # torchrun ends its processes
        ranks.communicate(timeout=40)
        raise
    if ranks.returncode: raise RuntimeError(next((o for o in errors.splitlines() if 'Error' in o), errors[-150:]))
    return need(said.strip().endswith('equal'), f'weights {said.strip()}')

row('two ranks, gloo')(lambda: two_ranks(False, False))
row('two ranks, gloo, EMA' + ', shared batch norm'*gpu)(lambda: two_ranks(True, gpu))

# last, for a recording that fails may leave the process in disorder
@row('recorded step beside the ordinary one, 200 steps, all static callbacks')
def _():
    torch.backends.cudnn.deterministic, n = True, 200 if gpu else 8
    epochs = -(-n // (len(digits()) // bs))
    runs = [learner(cbs=[*static_cbs(), Stop(n), *more]) for more in ([], [GraphStep()])]
    a, b = (fit(o, epochs) for o in runs)
    need(len(a) == len(b) == n, f'{len(b)} steps')
    early, whole = (a - b)[:20].abs().max(), (a - b).abs().max()
    return need(early < 1e-2, f'losses differ by {early:.1e} in the first 20 steps, {whole:.1e} in all')

# How fast? Contestants take turns; each times n updates after some that do not count
skip, n, rounds = (15, 40, 3) if gpu else (1, 2, 1)

def race(size):
    kw = dict(bs=bs, width=width, device=device)
    ds = ImageSet(torch.randint(256, (bs * (40 if gpu else 5), 3, size, size), dtype=torch.uint8), 'random')
    def mine(**more):
        learn = ours.learner(ds, **kw, **more)
        return lambda after: ours.fit(learn, after)
    out = {name: lambda o=o: lambda after: o.train(str(files), after, size=size, **kw)
           for name, o in (('plain loop', plain), ('stock GANLearner', stock))}
    out |= {f'ours, {p}': lambda p=p: mine(precision=p) for p in precisions}
    if gpu: out |= {f'ours, recorded, {p}': lambda p=p: mine(precision=p, recorded=True) for p in precisions}
    ready, seconds, memory, faults, limit_rate = {}, {k: [] for k in out}, {}, {}, 1 / product(torch.bfloat16, device)
    def turn(k):
        before = torch.cuda.memory_allocated() if gpu else 0
        if gpu: torch.cuda.reset_peak_memory_stats()
        try:
            if k not in ready: ready[k] = out[k]()
            seconds[k].append(lap(ready[k], n, skip))
        except Exception as e: faults[k] = e
        if gpu: memory.setdefault(k, f', {(torch.cuda.max_memory_allocated() - before) / 2**30:.2f} GB')
    def result(k):
        if k in faults: raise faults[k]
        if not seconds[k]: raise NotRun(f'{limit} s are over')
        low, mid, high = (bs / f(seconds[k]) for f in (max, statistics.median, min))
        share = step_flops(size, bs=bs, ngf=width, ndf=width) * mid / bs / limit_rate
        speed = f'{mid:,.0f} images/s ({low:,.0f} to {high:,.0f})'
        return f'{speed}, {share:.0%} of the bf16 product rate' + memory.get(k, '')
    once = 'plain loop', 'stock GANLearner'      # their loaders take long
    for k in [*out]*rounds:
        if k in faults or seconds[k] and k in once or time.perf_counter() - began > limit: continue
        turn(k)
    for k in out: row(f'{size}×{size} {k}', late=True)(lambda: result(k))

name = torch.cuda.get_device_name() if gpu else f'CPU, {torch.get_num_threads()} threads'
print(f'\n{name}, torch {torch.__version__}, width {width}, batches of {bs}\n', flush=True)
files = write_files(folder/'pictures', 40 * bs)
for size in 32, 64: race(size)
row('peak memory of the process')(lambda: f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB')
shutil.rmtree(folder)
print(f"\n{rows.count('ok')} of {len(rows)} rows are fine, {time.perf_counter() - began:.0f} s")
sys.exit('FAILED' in rows)
